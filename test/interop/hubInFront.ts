/** The hub in front of one server, whose names stay as they are: real sockets, a real process behind, and an address that needs no token. */
import {Admission} from '../../coordinator/mcp/admission.ts';
import {ComposedSurface} from '../../coordinator/mcp/composedSurface.ts';
import {McpEndpoint} from '../../coordinator/mcp/mcpEndpoint.ts';
import {mcpSettings} from '../../coordinator/mcp/mcpSettings.ts';
import {mcpSocket} from '../../coordinator/mcp/mcpSocket.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {
  ServerDefinition as Definition,
  type ServerDefinition,
} from '../../coordinator/protocol/model/server.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {gatewayOf} from '../gateway/support.ts';
import {hubFixture} from '../hub/support.ts';
import {bearerProxy} from './bearerProxy.ts';

export interface HubInFront {
  readonly url: string;
  /** Without the token. */
  readonly direct: {readonly url: string; readonly token: string};
  /** How many there are over HTTP. */
  clients(): {readonly sessions: number; readonly modern: number};
  close(): Promise<void>;
}

export function unprefixed(name: string, endpoint: ServerDefinition['endpoint']): ServerDefinition {
  return Definition.parse({name, endpoint, prefix: false});
}

export async function hubInFront(definitions: readonly ServerDefinition[]): Promise<HubInFront> {
  const gateway = gatewayOf(definitions);
  const settings = mcpSettings();
  const served = {
    surface: new ComposedSurface([gateway.surface], silentLogger),
    implementation: {name: 'mcpx', version: '0.0.0'},
    settings,
    admission: new Admission(settings),
    logger: silentLogger,
  };
  const endpoint = new McpEndpoint({...served, clock: systemClock, random: systemRandom});
  const hub = await hubFixture({settings: {closeGraceMs: 50}}, made => {
    made.addRoute(endpoint.route);
    made.servePlain(mcpSocket(served));
    made.onDrain(() => endpoint.drain());
  });
  const url = `http://127.0.0.1:${hub.port}/mcp`;
  const proxy = await bearerProxy(url, 'client');
  return {
    url: proxy.url,
    direct: {url, token: 'client'},
    clients() {
      const {sessions, modernClients} = endpoint.counts;
      return {sessions, modern: modernClients};
    },
    async close() {
      proxy.close();
      endpoint.dispose();
      await hub.close();
      await gateway.stop();
    },
  };
}

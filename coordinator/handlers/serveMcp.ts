/** The hub as an MCP server: the surfaces that it shows, over HTTP and WebSocket, to whoever speaks MCP. */
import type {Settings} from '../config.ts';
import {Admission} from '../mcp/admission.ts';
import {ComposedSurface} from '../mcp/composedSurface.ts';
import type {DispatchCommand} from '../mcp/extensionCalls.ts';
import {McpEndpoint} from '../mcp/mcpEndpoint.ts';
import {mcpSettings} from '../mcp/mcpSettings.ts';
import {mcpSocket} from '../mcp/mcpSocket.ts';
import type {Surface} from '../mcp/surface.ts';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import {VERSION} from '../version.ts';
import type {Services} from './services.ts';

export interface ServeMcpOptions {
  /** Where two have the same name, the earlier one's counts. */
  readonly surfaces: readonly Surface[];
  readonly tenant: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly owned: DisposableStore;
}

/** Before the hub listens. */
export function serveMcp({hub, tokens}: Services, options: ServeMcpOptions): McpEndpoint {
  const {surfaces, tenant, clock, random, owned} = options;
  const logger = options.logger.with({part: 'mcp'});
  const {mcpMaxSessions, mcpMaxSessionsPerToken, mcpSessionIdleMs} = options.settings;
  const settings = mcpSettings({
    maxSessions: mcpMaxSessions,
    maxSessionsPerPrincipal: mcpMaxSessionsPerToken,
    sessionIdleMs: mcpSessionIdleMs,
  });
  const served = {
    surface: new ComposedSurface(surfaces, logger),
    implementation: {name: 'mcpx', title: 'MCPX', version: VERSION},
    settings,
    admission: new Admission(settings),
    dispatch: (...call: Parameters<DispatchCommand>) => hub.dispatch(...call),
    logger,
  };
  const endpoint = owned.add(new McpEndpoint({...served, clock, random}));
  hub.addRoute(endpoint.route);
  hub.servePlain(mcpSocket(served));
  owned.add(hub.onDrain(() => endpoint.drain()));
  owned.add(tokens.onRevoked(tenant, id => endpoint.disconnect(principal => principal.id === id)));
  return endpoint;
}

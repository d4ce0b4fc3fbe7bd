/** A real hub that is an MCP server, and clients of every kind: the SDK's of both generations, and plain HTTP. */
import {once} from 'node:events';
import * as http from 'node:http';
import {Client, type ClientOptions, StreamableHTTPClientTransport} from '@modelcontextprotocol/client';
import {Client as ClientV1} from '@modelcontextprotocol/sdk/client/index.js';
import {StreamableHTTPClientTransport as TransportV1} from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type {Hub} from '../../coordinator/hub/hub.ts';
import type {HubSettings} from '../../coordinator/hub/hubSettings.ts';
import {Admission} from '../../coordinator/mcp/admission.ts';
import {ComposedSurface} from '../../coordinator/mcp/composedSurface.ts';
import type {DispatchCommand} from '../../coordinator/mcp/extensionCalls.ts';
import {McpEndpoint} from '../../coordinator/mcp/mcpEndpoint.ts';
import {type McpSettings, mcpSettings} from '../../coordinator/mcp/mcpSettings.ts';
import {mcpSocket} from '../../coordinator/mcp/mcpSocket.ts';
import type {Surface} from '../../coordinator/mcp/surface.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {type HubFixture, hubFixture} from '../hub/support.ts';
import {SocketTransport} from './socketTransport.ts';
import {TestSurface} from './testSurface.ts';

const MODERN = '2026-07-28';

export const IMPLEMENTATION = {name: 'test', version: '0.0.0'};

export interface McpFixture extends HubFixture {
  readonly surface: TestSurface;
  readonly endpoint: McpEndpoint;
  readonly mcpUrl: string;
  modern(token?: string, options?: ClientOptions): Promise<Client>;
  legacy(token?: string, options?: ClientOptions): Promise<Client>;
  v1(token?: string): Promise<ClientV1>;
  /** Over a WebSocket. */
  socket(
    era: 'legacy' | 'modern',
    options?: ClientOptions,
  ): Promise<{client: Client; transport: SocketTransport}>;
}

export interface McpFixtureOptions {
  readonly settings?: Partial<McpSettings>;
  readonly hub?: Partial<HubSettings>;
  readonly clock?: Clock;
  readonly prepare?: (hub: Hub) => void;
  readonly before?: readonly Surface[];
}

export async function mcpFixture(options: McpFixtureOptions = {}): Promise<McpFixture> {
  const surface = new TestSurface();
  const settings: McpSettings = mcpSettings(options.settings);
  const served = {
    surface: new ComposedSurface([...(options.before ?? []), surface], silentLogger),
    implementation: {name: 'mcpx', version: '0.0.0'},
    settings,
    admission: new Admission(settings),
    logger: silentLogger,
    dispatch: (...call: Parameters<DispatchCommand>) => running.dispatch(...call),
  };
  const endpoint = new McpEndpoint({...served, clock: options.clock ?? systemClock, random: systemRandom});
  let running: Hub;
  const hub = await hubFixture({settings: {closeGraceMs: 50, ...options.hub}}, made => {
    running = made;
    options.prepare?.(made);
    made.addRoute(endpoint.route);
    made.servePlain(mcpSocket(served));
    made.onDrain(() => endpoint.drain());
  });
  const mcpUrl = `http://127.0.0.1:${hub.port}/mcp`;
  const clients: {close(): Promise<void>}[] = [];
  const connect = async (mode: 'legacy' | {pin: string}, token: string, own: ClientOptions = {}) => {
    const client = new Client(IMPLEMENTATION, {versionNegotiation: {mode}, ...own});
    const requestInit = {headers: {authorization: `Bearer ${token}`}};
    await client.connect(new StreamableHTTPClientTransport(new URL(mcpUrl), {requestInit}));
    clients.push(client);
    return client;
  };
  return {
    ...hub,
    surface,
    endpoint,
    mcpUrl,
    modern: (token = 'client', own) => connect({pin: MODERN}, token, own),
    legacy: (token = 'client', own) => connect('legacy', token, own),
    async v1(token = 'client') {
      const client = new ClientV1(IMPLEMENTATION, {capabilities: {elicitation: {}}});
      const requestInit = {headers: {authorization: `Bearer ${token}`}};
      await client.connect(new TransportV1(new URL(mcpUrl), {requestInit}));
      clients.push(client);
      return client;
    },
    async socket(era, own = {}) {
      const mode = era === 'legacy' ? era : {pin: MODERN};
      const client = new Client(IMPLEMENTATION, {versionNegotiation: {mode}, ...own});
      const transport = new SocketTransport(hub.url, 'client');
      await client.connect(transport);
      clients.push(client);
      return {client, transport};
    },
    async close() {
      await Promise.all(clients.map(client => client.close()));
      endpoint.dispose();
      await hub.close();
    },
  };
}

export function textOf(result: unknown): string {
  const {content} = result as {content: {text: string}[]};
  return content.map(part => part.text).join('');
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** One HTTP request as it is given. */
export async function raw(
  url: string,
  options: {method?: string; headers?: Record<string, string>; body?: string; token?: string},
): Promise<RawAnswer> {
  const request = rawRequest(url, options);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks).toString(),
  };
}

export function rawRequest(
  url: string,
  {method = 'POST', headers = {}, body, token = 'client'}: Parameters<typeof raw>[1],
): http.ClientRequest {
  const request = http.request(url, {
    method,
    agent: false,
    headers: {
      accept: 'application/json, text/event-stream',
      ...(body !== undefined && {'content-type': 'application/json'}),
      ...(token !== '' && {authorization: `Bearer ${token}`}),
      ...headers,
    },
  });
  request.end(body);
  return request;
}

export const INITIALIZE = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {protocolVersion: '2025-11-25', capabilities: {}, clientInfo: IMPLEMENTATION},
});

/** The JSON messages of a stream's text. */
export function eventsOf(body: string): Record<string, unknown>[] {
  return body
    .split('\n')
    .filter(line => line.startsWith('data: {'))
    .map(line => JSON.parse(line.slice('data: '.length)) as Record<string, unknown>);
}

/** Opens a session, and returns the header that names it. */
export async function openSession(url: string, token = 'client'): Promise<Record<string, string>> {
  const {status, headers} = await raw(url, {body: INITIALIZE, token});
  const id = headers['mcp-session-id'];
  if (status !== 200 || typeof id !== 'string') throw new Error(`no session: ${status}`);
  const session = {'mcp-session-id': id};
  await raw(url, {token, headers: session, body: call('notifications/initialized', {}, null)});
  return session;
}

/** A JSON-RPC message; a notification where the id is null. */
export function call(method: string, params: object = {}, id: number | null = 2): string {
  return JSON.stringify({jsonrpc: '2.0', ...(id !== null && {id}), method, params});
}

/** A body of the modern era, whose client can nothing. */
export function modernBody(method: string, params: object = {}, meta: object = {}): string {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': IMPLEMENTATION,
    'io.modelcontextprotocol/clientCapabilities': {},
    ...meta,
  };
  return JSON.stringify({jsonrpc: '2.0', id: 7, method, params: {...params, _meta}});
}

export function modernHeaders(method: string, name?: string): Record<string, string> {
  return {
    'mcp-protocol-version': MODERN,
    'mcp-method': method,
    ...(name !== undefined && {'mcp-name': name}),
  };
}

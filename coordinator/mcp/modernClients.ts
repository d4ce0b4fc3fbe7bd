/**
 * The 2026-07-28 era, which has no sessions: a server for each request, streams of `subscriptions/listen`, and what stands for a client, which is
 * all that a principal asks.
 */
import type {IncomingMessage} from 'node:http';
import {
  type AuthInfo,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createMcpHandler,
  type Implementation,
  type McpHttpHandler,
  type McpRequestContext,
  type McpServer,
  ProtocolErrorCode,
  SERVER_INFO_META_KEY,
  type Server,
  type ServerOptions,
  type Tool,
} from '@modelcontextprotocol/server';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {principalKey} from './admission.ts';
import {BegunCall} from './begunCall.ts';
import {ChangeBus} from './changeBus.ts';
import {Activity, Tally} from './clients.ts';
import {hasParamHeaders, serverThatKnows} from './paramHeaders.ts';
import {plainCallIn, plainModernCall} from './plainCall.ts';
import type {SurfaceCaller} from './surface.ts';
import {SurfaceServer, type SurfaceServerOptions} from './surfaceServer.ts';

export interface ModernClientsOptions extends SurfaceServerOptions {
  readonly clock: Clock;
}

const REVISION = '2026-07-28';
const LISTEN = 'subscriptions/listen';
const MAX_ENVELOPES = 1024;
/** Of one: who says more of itself than anybody does is not remembered. */
const MAX_ENVELOPE_LENGTH = 8 * 1024;

export class ModernClients implements Disposable {
  private readonly handler: McpHttpHandler;
  private readonly clients = new Map<string, Activity>();
  private readonly listening = new Map<McpHttpHandler, Principal>();
  private readonly listens = new Tally();
  /** Of calls, as the SDK has found them well-formed, the oldest first. */
  private readonly envelopes = new Set<string>();
  private readonly owned = new DisposableStore();

  constructor(private readonly options: ModernClientsOptions) {
    const {clock, settings} = options;
    this.handler = createMcpHandler(context => this.serverOf(context), this.handlerOptions);
    this.owned.add(every(clock, settings.sessionIdleMs / 4, () => this.releaseIdle()));
  }

  /** Principals that asked something lately. */
  get size(): number {
    return this.clients.size;
  }

  get openListens(): number {
    return this.listens.all;
  }

  /** Whoever serves a request says there when it begins and when its answer has been written. */
  activityOf(principal: Principal): Activity {
    const key = clientKeyOf(principal);
    const known = this.clients.get(key);
    if (known) return known;
    const activity = new Activity(this.options.clock);
    this.clients.set(key, activity);
    return activity;
  }

  /** Begins what is plainly a call of a tool. Undefined: not begun, it is for `serve` alone. */
  async begin(request: IncomingMessage, body: unknown, principal: Principal): Promise<BegunCall | undefined> {
    const plain = plainModernCall(request, body, REVISION);
    if (!plain || !this.envelopes.has(plain.envelope)) return undefined;
    const caller = this.caller(body, principal);
    try {
      if (await this.toolWithHeaders(caller, plain.params.name)) return undefined;
    } catch {
      return undefined;
    }
    // Lists may take their time: nobody may be left who wants the call.
    return request.socket.destroyed ? undefined : BegunCall.begin(plain, caller, this.options);
  }

  /** The request's signal aborts when its client has gone. `begun`: it goes on with that. */
  serve(request: Request, body: unknown, principal: Principal, begun?: BegunCall): Promise<Response> {
    return this.handler.fetch(request, {
      authInfo: authInfo({caller: this.caller(body, principal), body, begun}),
      parsedBody: body,
    });
  }

  /** As the SDK answers in this era. */
  answerTo({plain}: BegunCall, result: CallToolResult): string {
    const {implementation} = this.options;
    const _meta = {[SERVER_INFO_META_KEY]: implementation};
    return JSON.stringify({
      result: {...result, resultType: 'complete', _meta},
      jsonrpc: '2.0',
      id: plain.id,
    });
  }

  /** Answers with a stream, which counts as in use until it ends. */
  async listen(request: Request, body: unknown, principal: Principal): Promise<Response> {
    const caller = this.caller(body, principal);
    const owner = principalKey(principal);
    const {maxListens, maxListensPerPrincipal} = this.options.settings;
    if (this.listens.all >= maxListens || this.listens.of(owner) >= maxListensPerPrincipal)
      return tooManyListens(body);
    const activity = this.activityOf(principal);
    activity.begin();
    this.listens.add(owner);
    const bus = new ChangeBus(this.options, caller, () => {
      this.listening.delete(handler);
      this.listens.remove(owner);
      activity.end();
    });
    const handler = createMcpHandler(context => this.serverOf(context), {...this.handlerOptions, bus});
    this.listening.set(handler, principal);
    try {
      const parsedBody = await bus.subscribeTo(body);
      return await handler.fetch(request, {authInfo: authInfo({caller, body}), parsedBody});
    } finally {
      bus.endUnlessHeard();
    }
  }

  /** Ends the streams of such principals, each with its result. */
  endListens(matches: (principal: Principal) => boolean): void {
    for (const [handler, principal] of [...this.listening])
      if (matches(principal)) void handler.close().catch(() => undefined);
  }

  dispose(): void {
    this.owned.dispose();
    this.endListens(() => true);
    void this.handler.close().catch(() => undefined);
    for (const key of this.clients.keys()) this.options.surface.release(key);
    this.clients.clear();
  }

  private get handlerOptions() {
    const {settings, logger} = this.options;
    return {
      legacy: 'reject',
      keepAliveMs: 0,
      maxRequestBodySize: settings.maxBodyBytes,
      onerror: (error: Error) => logger.debug('an MCP request was refused', {error}),
    } as const;
  }

  private caller(body: unknown, principal: Principal): SurfaceCaller {
    return {
      principal,
      era: 'modern',
      clientKey: clientKeyOf(principal),
      capabilities: declaredCapabilities(body),
    };
  }

  private async serverOf({authInfo: given}: McpRequestContext): Promise<Server | McpServer> {
    const {caller, body, begun} = (given as AuthInfo & {extra: {[ASKED]: Asked}}).extra[ASKED];
    const isCall = member(body, 'method') === 'tools/call';
    // Of what was begun the headers have been looked at: lists that have changed since refuse no call that is at work.
    const mayHaveHeaders = isCall && !begun;
    const tool =
      mayHaveHeaders && (await this.toolWithHeaders(caller, member(member(body, 'params'), 'name')));
    const make = tool
      ? (...given: [Implementation, ServerOptions]) => serverThatKnows(tool, ...given)
      : undefined;
    // Of what was begun it is known.
    let isLearnt = begun !== undefined;
    const whoAsks = (): SurfaceCaller => {
      // It asks for that, more than once, when it has checked the envelope.
      if (!isLearnt) this.learn(body);
      isLearnt = true;
      return caller;
    };
    const server = new SurfaceServer(this.options, whoAsks, caller.capabilities, make);
    if (begun) server.expect(begun);
    return server.product;
  }

  private learn(body: unknown): void {
    const plain = plainCallIn(body);
    if (!plain || plain.envelope.length > MAX_ENVELOPE_LENGTH || this.envelopes.has(plain.envelope)) return;
    this.envelopes.add(plain.envelope);
    const [oldest] = this.envelopes;
    if (this.envelopes.size > MAX_ENVELOPES && oldest !== undefined) this.envelopes.delete(oldest);
  }

  private async toolWithHeaders(caller: SurfaceCaller, name: unknown): Promise<Tool | undefined> {
    const tool = (await this.options.surface.tools(caller)).find(tool => tool.name === name);
    return tool && hasParamHeaders(tool) ? tool : undefined;
  }

  private releaseIdle(): void {
    const {settings, surface} = this.options;
    for (const [key, activity] of [...this.clients]) {
      if (activity.idleMs < settings.sessionIdleMs) continue;
      this.clients.delete(key);
      surface.release(key);
    }
  }
}

function clientKeyOf(principal: Principal): string {
  return `modern:${principalKey(principal)}`;
}

export function isListen(body: unknown): boolean {
  return member(body, 'method') === LISTEN;
}

interface Asked {
  readonly caller: SurfaceCaller;
  readonly body: unknown;
  readonly begun?: BegunCall | undefined;
}

const ASKED = 'asked';

/** The SDK hands this on to the factory of servers. Whoever asks has been authenticated long before. */
function authInfo(asked: Asked): AuthInfo {
  return {token: '', clientId: asked.caller.principal.id, scopes: [], extra: {[ASKED]: asked}};
}

/** The SDK refuses an envelope that is malformed. */
function declaredCapabilities(body: unknown): ClientCapabilities {
  const declared = member(member(member(body, 'params'), '_meta'), CLIENT_CAPABILITIES_META_KEY);
  return declared !== null && typeof declared === 'object' ? declared : {};
}

function tooManyListens(body: unknown): Response {
  return Response.json({
    jsonrpc: '2.0',
    id: member(body, 'id') ?? null,
    error: {
      code: ProtocolErrorCode.InternalError,
      message: 'too many streams of subscriptions/listen are open',
    },
  });
}

function member(value: unknown, name: string): unknown {
  return value !== null && typeof value === 'object' ? Reflect.get(value, name) : undefined;
}

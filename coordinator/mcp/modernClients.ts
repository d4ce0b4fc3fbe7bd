/**
 * The 2026-07-28 era, which has no sessions: a server for each request, streams of `subscriptions/listen`, and what stands for a client, which is
 * all that a principal asks.
 */
import {
  type AuthInfo,
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createMcpHandler,
  type Implementation,
  type McpHttpHandler,
  type McpRequestContext,
  type McpServer,
  ProtocolErrorCode,
  type Server,
  type ServerOptions,
  type Tool,
} from '@modelcontextprotocol/server';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';
import {principalKey} from './admission.ts';
import {ChangeBus} from './changeBus.ts';
import {Activity, Tally} from './clients.ts';
import {hasParamHeaders, serverThatKnows} from './paramHeaders.ts';
import type {SurfaceCaller} from './surface.ts';
import {SurfaceServer, type SurfaceServerOptions} from './surfaceServer.ts';

export interface ModernClientsOptions extends SurfaceServerOptions {
  readonly clock: Clock;
}

const LISTEN = 'subscriptions/listen';

export class ModernClients implements Disposable {
  private readonly handler: McpHttpHandler;
  private readonly clients = new Map<string, Activity>();
  private readonly listening = new Map<McpHttpHandler, Principal>();
  private readonly listens = new Tally();
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

  /** The request's signal aborts when its client has gone. */
  serve(request: Request, body: unknown, principal: Principal): Promise<Response> {
    return this.handler.fetch(request, {
      authInfo: authInfo(this.caller(body, principal), body),
      parsedBody: body,
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
      return await handler.fetch(request, {authInfo: authInfo(caller, body), parsedBody});
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
    const {caller, body} = (given as AuthInfo & {extra: {[ASKED]: Asked}}).extra[ASKED];
    const tool = await this.toolWithHeaders(caller, body);
    const make = tool && ((...given: [Implementation, ServerOptions]) => serverThatKnows(tool, ...given));
    return new SurfaceServer(this.options, () => caller, caller.capabilities, make).product;
  }

  private async toolWithHeaders(caller: SurfaceCaller, body: unknown): Promise<Tool | undefined> {
    if (member(body, 'method') !== 'tools/call') return undefined;
    const name = member(member(body, 'params'), 'name');
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
}

const ASKED = 'asked';

/** The SDK hands this on to the factory of servers. Whoever asks has been authenticated long before. */
function authInfo(caller: SurfaceCaller, body: unknown): AuthInfo {
  const asked: Asked = {caller, body};
  return {token: '', clientId: caller.principal.id, scopes: [], extra: {[ASKED]: asked}};
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

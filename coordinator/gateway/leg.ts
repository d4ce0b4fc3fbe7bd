/**
 * One connection to one MCP server, of either era: requests there, and whatever the server says of itself handed to the call that it is for.
 * Which caller gets which connection is legs.ts.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  type Client,
  type ClientCapabilities,
  type LoggingLevel,
  type McpSubscription,
  ProtocolError,
  ProtocolErrorCode,
  type RequestOptions,
  SdkError,
  SdkErrorCode,
  type ServerCapabilities,
  type SubscriptionFilter,
} from '@modelcontextprotocol/client';
import * as z from 'zod';
import type {Era, SurfaceChange} from '../mcp/surface.ts';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import type {Disposable} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import {describeError, systemErrorCode} from '../runtime/errors.ts';
import type {PipedCalls} from './pipedCalls.ts';

/** A call of a client that is under way here. */
export interface AttendedCall {
  /** The server asks the client something. */
  ask(method: string, params: Record<string, unknown>, signal: AbortSignal): Promise<Record<string, unknown>>;
  log(level: LoggingLevel, data: unknown, logger?: string): void;
}

export interface LegOptions {
  readonly client: Client;
  /** Where it has a way for calls of tools that costs less. */
  readonly piped: PipedCalls | undefined;
  /** One client's own: whatever it says is for that client. Undefined: if the server keeps state. */
  readonly exclusive: boolean | undefined;
  readonly logger: Logger;
  /** Takes secrets out of what the server said. */
  readonly hide: (text: string) => string;
  /** Releases what is below the client: closed sessions, ended processes. */
  readonly end: () => Promise<void>;
  readonly pid: () => number | undefined;
  /** Why it ended by itself. */
  readonly ending: () => string | undefined;
  /** The server gave this connection a session, or is a process that speaks the protocol of sessions. */
  readonly keepsState: boolean;
  readonly clock: Clock;
}

export interface LegEnd {
  readonly reason: string;
  /** Not because we closed it. */
  readonly byItself: boolean;
}

export type LegResult = Record<string, unknown>;

/** Results pass as they are: whoever asked checks them. */
const Passed = z.looseObject({});

/** Our own timers end calls; the SDK's must not end those that wait for a person. */
const NO_TIMEOUT_MS = 2 ** 31 - 1;

const LIST_CHANGES = {
  'notifications/tools/list_changed': 'tools',
  'notifications/prompts/list_changed': 'prompts',
  'notifications/resources/list_changed': 'resources',
} as const;

export class Leg {
  readonly era: Era;
  readonly capabilities: ServerCapabilities;
  readonly instructions: string | undefined;
  readonly serverName: string | undefined;
  private readonly calls: AttendedCall[] = [];
  private readonly changes = new Emitter<SurfaceChange>();
  private readonly ends = new Emitter<LegEnd>();
  private readonly left = deferred<void>();
  private readonly uris = new Map<string, number>();
  private listening: McpSubscription | undefined;
  private closing: Promise<void> | undefined;
  private readonly begun = deferred<void>();
  private isOpen = true;
  private isNew = true;
  private waiting = 0;
  private readonly turns: (() => void)[] = [];
  private lastUse: number;

  readonly onChange = this.changes.event;
  /** Once, with why. */
  readonly onEnded = this.ends.event;

  constructor(private readonly options: LegOptions) {
    const {client} = options;
    this.lastUse = options.clock.now();
    this.era = eraOf(client);
    this.capabilities = client.getServerCapabilities() ?? {};
    this.instructions = client.getInstructions();
    this.serverName = client.getServerVersion()?.name;
    this.receiveNotifications();
    client.fallbackRequestHandler = (request, ctx) =>
      this.ask(request.method, {...request.params}, ctx.mcpReq.signal);
    client.onclose = () => {
      this.ended(options.ending() ?? 'the connection was closed', true);
      options.piped?.close();
    };
    client.onerror = error =>
      options.logger.debug('trouble with an MCP server', {error: options.hide(describeError(error))});
  }

  get open(): boolean {
    return this.isOpen;
  }

  /** Whoever had it opened is about to use it: until then it counts as in use. */
  get busy(): number {
    return this.calls.length + this.waiting + (this.isNew ? 1 : 0);
  }

  /** Whoever had it opened has begun to use it, or is done with it. */
  settle(): void {
    this.isNew = false;
    this.begun.resolve();
  }

  get settled(): Promise<void> {
    return this.begun.promise;
  }

  /** Resources that somebody has subscribed to through it. */
  get subscribed(): number {
    return this.uris.size;
  }

  /** On the monotonic clock. */
  get usedAt(): number {
    return this.busy > 0 ? this.options.clock.now() : this.lastUse;
  }

  get keepsState(): boolean {
    return this.options.keepsState;
  }

  /** Resolves when nothing of it is left. */
  get gone(): Promise<void> {
    return this.left.promise;
  }

  touch(): void {
    this.lastUse = this.options.clock.now();
  }

  get pid(): number | undefined {
    return this.options.pid();
  }

  get discover() {
    return this.options.client.getDiscoverResult();
  }

  /** Shows arguments of tools in headers, where their schemas say so. */
  get sendsHeaders(): boolean {
    return this.era === 'modern' && this.pid === undefined;
  }

  /** Waits for its turn where only so many calls may be made at once. From then on what the server asks may be for this call. */
  async attend(call: AttendedCall, callsAtOnce: number, signal: AbortSignal): Promise<Disposable> {
    this.waiting++;
    this.settle();
    while (this.isOpen && this.calls.length >= callsAtOnce)
      await new Promise<void>(resolve => this.turns.push(resolve));
    this.waiting--;
    if (signal.aborted) {
      this.turns.shift()?.();
      throw signal.reason;
    }
    this.calls.push(call);
    return {
      dispose: () => {
        const at = this.calls.indexOf(call);
        if (at >= 0) this.calls.splice(at, 1);
        this.touch();
        this.turns.shift()?.();
      },
    };
  }

  /** Rejects with the server's own `ProtocolError`, or the SDK's `SdkError`. */
  request(method: string, params: Record<string, unknown>, options: RequestOptions = {}): Promise<LegResult> {
    const {client, piped} = this.options;
    if (piped && method === 'tools/call') return piped.call(params, options);
    return client.request({method, params}, Passed, {
      timeout: NO_TIMEOUT_MS,
      allowInputRequired: this.era === 'modern',
      ...options,
    });
  }

  /** In the name of a client that can do this: in the newer protocol each request says so. */
  as(client: ClientCapabilities): Pick<Leg, 'capabilities' | 'instructions' | 'request' | 'sendsHeaders'> {
    if (this.era === 'legacy') return this;
    const _meta = {[CLIENT_CAPABILITIES_META_KEY]: client};
    const request: Leg['request'] = (method, params, options) =>
      this.request(method, {_meta, ...params}, options);
    return {
      capabilities: this.capabilities,
      instructions: this.instructions,
      sendsHeaders: this.sendsHeaders,
      request,
    };
  }

  /** As `request`, for a tool whose arguments are shown in headers too. */
  callTool(
    params: {name: string; arguments?: Record<string, unknown>},
    options: Parameters<Client['callTool']>[1],
  ): Promise<LegResult> {
    return this.options.client.callTool(params, {
      timeout: NO_TIMEOUT_MS,
      allowInputRequired: true,
      ...options,
    });
  }

  async subscribe(uri: string): Promise<void> {
    const count = this.uris.get(uri) ?? 0;
    this.uris.set(uri, count + 1);
    this.settle();
    if (count > 0) return;
    if (this.era === 'modern') await this.listen();
    else await this.request('resources/subscribe', {uri});
  }

  async unsubscribe(uri: string): Promise<void> {
    const count = this.uris.get(uri) ?? 0;
    if (count > 1) {
      this.uris.set(uri, count - 1);
      return;
    }
    this.uris.delete(uri);
    if (count === 0 || !this.isOpen) return;
    if (this.era === 'modern') await this.listen();
    else await this.request('resources/unsubscribe', {uri});
  }

  /** 2026-07-28: changes come only to those who listen. Nothing to do in the older era. Rejects when the server refuses. */
  async listen(): Promise<void> {
    if (this.era !== 'modern' || !this.isOpen) return;
    const {tools, prompts, resources} = this.capabilities;
    const filter: SubscriptionFilter = {
      ...(tools?.listChanged && {toolsListChanged: true}),
      ...(prompts?.listChanged && {promptsListChanged: true}),
      ...(resources?.listChanged && {resourcesListChanged: true}),
      ...(this.uris.size > 0 && {resourceSubscriptions: [...this.uris.keys()]}),
    };
    const before = this.listening;
    this.listening = Object.keys(filter).length === 0 ? undefined : await this.options.client.listen(filter);
    await before?.close();
    const current = this.listening;
    void current?.closed.then(how => {
      // What was missed meanwhile nobody tells: the connection counts as lost.
      if (this.listening === current && how !== 'local') this.ended('it ended the stream of changes', true);
    });
  }

  /** Closes it as one that ended by itself. */
  fail(reason: string): Promise<void> {
    this.ended(reason, true);
    return this.close();
  }

  close(reason = 'it was closed'): Promise<void> {
    this.closing ??= this.end(reason);
    return this.closing;
  }

  private async end(reason: string): Promise<void> {
    this.ended(reason, false);
    await this.options.end();
    this.left.resolve();
  }

  private ended(reason: string, byItself: boolean): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.settle();
    for (const turn of this.turns.splice(0)) turn();
    this.ends.emit({reason, byItself});
    this.changes.dispose();
    void this.close();
  }

  private receiveNotifications(): void {
    const {client} = this.options;
    for (const [method, kind] of Object.entries(LIST_CHANGES))
      client.setNotificationHandler(method as keyof typeof LIST_CHANGES, () => this.changes.emit({kind}));
    client.setNotificationHandler('notifications/resources/updated', ({params}) =>
      this.changes.emit({kind: 'resource', uri: params.uri}),
    );
    client.setNotificationHandler('notifications/message', ({params}) =>
      this.addressee()?.log(params.level, params.data, params.logger),
    );
  }

  private ask(
    method: string,
    params: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const call = this.addressee();
    if (call) return call.ask(method, params, signal);
    throw new ProtocolError(
      ProtocolErrorCode.InvalidRequest,
      this.calls.length === 0
        ? `${method}: nobody is there to be asked; ask while a call is under way`
        : `${method}: several clients have calls under way here, and nothing says which is asked`,
    );
  }

  /** Whom what the server says is for. Where it may be for another client it is for nobody. */
  private addressee(): AttendedCall | undefined {
    const {exclusive = this.keepsState} = this.options;
    if (exclusive || this.calls.length === 1) return this.calls.at(-1);
    return undefined;
  }
}

/** Of a client that has connected. */
export function eraOf(client: Client): Era {
  return client.getProtocolEra() === 'modern' ? 'modern' : 'legacy';
}

/** Whether the request surely did not reach the server, or only a session that it no longer knows. */
export function surelyNotDone(error: unknown): boolean {
  if (isRefusedConnection(error)) return true;
  if (!(error instanceof SdkError)) return false;
  if (error.code === SdkErrorCode.NotConnected || error.code === SdkErrorCode.SendFailed) return true;
  return isLostSession(error);
}

/** 404 to a request of a session: the server has forgotten it and did nothing. */
export function isLostSession(error: unknown): boolean {
  if (!(error instanceof SdkError)) return false;
  const data: unknown = error.data;
  return typeof data === 'object' && data !== null && 'status' in data && data.status === 404;
}

export function isConnectionLoss(error: unknown): boolean {
  return (
    error instanceof SdkError &&
    (error.code === SdkErrorCode.ConnectionClosed || error.code === SdkErrorCode.NotConnected)
  );
}

function isRefusedConnection(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'].includes(systemErrorCode(cause) ?? '')) return true;
  return false;
}

export function legCapabilities(capabilities: ClientCapabilities): ClientCapabilities {
  const {sampling, elicitation, roots} = capabilities;
  return {
    ...(sampling && {sampling}),
    ...(elicitation && {elicitation}),
    // Whether they change we are not told.
    ...(roots && {roots: {}}),
  };
}

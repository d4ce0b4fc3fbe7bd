/** One registered server: its connections, what it offers, and calls of it, across eras and failures. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  LOG_LEVEL_META_KEY,
  ProtocolError,
  ProtocolErrorCode,
  SERVER_INFO_META_KEY,
  type Tool,
} from '@modelcontextprotocol/client';
import type {InputRequiredResult} from '@modelcontextprotocol/server';
import type {SurfaceCall} from '../mcp/surface.ts';
import type {ServerDefinition} from '../protocol/model/server.ts';
import {every} from '../runtime/clock.ts';
import {DisposableStore} from '../runtime/disposable.ts';
import {describeError, isCoordinatorError} from '../runtime/errors.ts';
import type {Catalog} from './catalog.ts';
import {Catalogs} from './catalogs.ts';
import {isConnectionLoss, isLostSession, type Leg, type LegResult, surelyNotDone} from './leg.ts';
import {Legs, type LegsOptions, type OpenedLeg} from './legs.ts';
import {OngoingCall} from './ongoingCall.ts';
import {PendingCalls} from './pendingCalls.ts';
import {Subscriptions} from './subscriptions.ts';
import type {ServerOffer} from './view.ts';

export interface UpstreamOptions extends LegsOptions {
  readonly pending: PendingCalls;
}

export interface UpstreamRequest {
  readonly method: 'tools/call' | 'resources/read' | 'prompts/get' | 'completion/complete';
  readonly params: Record<string, unknown>;
  /** It may be sent to another connection when one is lost in its midst. */
  readonly repeatable: boolean;
  /** Where its arguments are shown in headers. */
  readonly tool?: Tool | undefined;
}

/** A server that asks more often than this goes round in circles. */
const MAX_ROUNDS = 16;

export class Upstream {
  private current: ServerDefinition;
  readonly legs: Legs;
  readonly catalogs: Catalogs;
  readonly subscriptions: Subscriptions;
  private readonly owned = new DisposableStore();
  private offers = new WeakMap<Catalog, ServerOffer>();
  private calls = 0;
  private waiters: (() => void)[] = [];

  constructor(private readonly options: UpstreamOptions) {
    const {definition, settings, clock, logger} = options;
    this.current = definition;
    this.legs = new Legs(options);
    this.catalogs = this.owned.add(
      new Catalogs({legs: this.legs, full: () => options.budget.full, settings, clock, logger}),
    );
    this.subscriptions = this.owned.add(new Subscriptions({legs: this.legs, clock, logger}));
    this.owned.add(every(clock, settings.healthCheckMs, () => void this.checkHealth()));
    const idleMs = definition.idleMs ?? settings.idleMs;
    this.owned.add(every(clock, Math.min(idleMs / 2, 60_000), () => this.legs.reap(idleMs)));
  }

  get definition(): ServerDefinition {
    return this.current;
  }

  /** Others may use it from now on; its connections stay. */
  readmit(access: ServerDefinition['access']): void {
    this.current = {...this.current, access};
    this.offers = new WeakMap();
  }

  get name(): string {
    return this.definition.name;
  }

  /** Rejects with a `ProtocolError`: the server's own, or one that says what became of the call. */
  async call(caller: SurfaceCall, request: UpstreamRequest): Promise<LegResult | InputRequiredResult> {
    const {pending} = this.options;
    const purpose = `${this.name} ${request.method} ${String(request.params['name'] ?? request.params['uri'] ?? '')}`;
    const resumed = PendingCalls.isOurs(caller.requestState)
      ? pending.take(caller.requestState, caller, purpose)
      : undefined;
    const ongoing = resumed?.call ?? this.begin(request);
    resumed?.call.answer(caller.inputResponses ?? {});
    this.calls++;
    try {
      const attended = await ongoing.attend(caller, () => this.work(ongoing, caller, request));
      if (attended.kind === 'done') return withoutServerInfo(attended.result);
      const inputRequests = attended.inputRequests as InputRequiredResult['inputRequests'];
      const requestState = pending.keep(ongoing, caller, purpose, () => undefined);
      return {resultType: 'input_required', inputRequests, requestState};
    } catch (error) {
      throw this.fault(ongoing.failure(error, caller));
    } finally {
      this.calls--;
      if (this.calls === 0) for (const resolve of this.waiters.splice(0)) resolve();
    }
  }

  /** Whether it tells of changes of resources; undefined: not known yet. */
  get tellsResources(): boolean | undefined {
    const [opened] = this.legs.open;
    return opened && opened.leg.capabilities.resources?.subscribe === true;
  }

  get completes(): boolean | undefined {
    const [opened] = this.legs.open;
    return opened && opened.leg.capabilities.completions !== undefined;
  }

  /** The same for the same catalog and rules, so that whoever made something of it may keep that. */
  offer(catalog: Catalog): ServerOffer {
    const known = this.offers.get(catalog);
    if (known) return known;
    const offer = {definition: this.definition, catalog};
    this.offers.set(catalog, offer);
    return offer;
  }

  /** Resolves when no call is in work. */
  async idle(): Promise<void> {
    while (this.calls > 0) await new Promise<void>(resolve => this.waiters.push(resolve));
  }

  release(clientKey: string): void {
    this.subscriptions.release(clientKey);
    this.catalogs.release(clientKey);
    this.legs.release(clientKey);
  }

  async stop(): Promise<void> {
    this.owned.dispose();
    await this.legs.stop();
  }

  private begin({method, params}: UpstreamRequest): OngoingCall {
    const {definition, settings, clock} = this.options;
    const what = `${method} ${String(params['name'] ?? params['uri'] ?? '')} of the server ${this.name}`;
    return new OngoingCall({what, timeoutMs: definition.callTimeoutMs ?? settings.callTimeoutMs, clock});
  }

  /** On a connection; where that was lost before the request had an effect, on another. */
  private async work(
    ongoing: OngoingCall,
    caller: SurfaceCall,
    request: UpstreamRequest,
  ): Promise<LegResult> {
    const {callsAtOnce = Number.POSITIVE_INFINITY} = this.definition;
    for (let tries = this.legs.replicas.length + 1; ; tries--) {
      const opened = await this.legs.lend(caller.clientKey, caller.capabilities);
      const {leg} = opened;
      const attending = await leg.attend(ongoing, callsAtOnce, ongoing.signal);
      ongoing.sent();
      try {
        return await this.send(leg, ongoing, caller, request);
      } catch (error) {
        this.onFailure(opened, error);
        const lost = surelyNotDone(error) || (request.repeatable && isConnectionLoss(error));
        if (!lost || tries <= 1 || ongoing.signal.aborted) throw error;
      } finally {
        attending.dispose();
      }
    }
  }

  private onFailure({leg, replica}: OpenedLeg, error: unknown): void {
    // A forgotten session is a matter of this connection; what cannot be reached, of the place.
    if (isLostSession(error)) void leg.close('the server has forgotten the session');
    else if (surelyNotDone(error)) {
      void leg.close('it cannot be reached');
      replica.failed(error);
    }
  }

  /** Answers what a server of 2026-07-28 asks a client that does not know of such questions. */
  private async send(
    leg: Leg,
    ongoing: OngoingCall,
    caller: SurfaceCall,
    request: UpstreamRequest,
  ): Promise<LegResult> {
    let params = this.paramsFor(leg, caller, request);
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const result = await this.sendOnce(leg, ongoing, {...request, params});
      if (result['resultType'] !== 'input_required' || caller.era === 'modern') return result;
      const questions = Object.entries(Object(result['inputRequests'])) as [
        string,
        {method: string; params?: Record<string, unknown>},
      ][];
      const answers = await Promise.all(
        questions.map(
          async ([key, asked]) =>
            [key, await ongoing.ask(asked.method, asked.params ?? {}, ongoing.signal)] as const,
        ),
      );
      params = {
        ...this.paramsFor(leg, caller, request),
        inputResponses: Object.fromEntries(answers),
        ...(result['requestState'] !== undefined && {requestState: result['requestState']}),
      };
    }
    throw new ProtocolError(
      ProtocolErrorCode.InternalError,
      `the server ${this.name} asked ${MAX_ROUNDS} times and came to no end`,
    );
  }

  private sendOnce(
    leg: Leg,
    ongoing: OngoingCall,
    {method, params, tool}: UpstreamRequest,
  ): Promise<LegResult> {
    const options = {
      signal: ongoing.signal,
      onprogress: (progress: Parameters<SurfaceCall['progress']>[0]) => {
        ongoing.progressed();
        ongoing.progress(progress);
      },
    };
    // Headers that show arguments are the SDK's; its check of results is for clients.
    if (tool && leg.era === 'modern' && this.definition.endpoint.type !== 'stdio')
      return leg.callTool(params as {name: string}, {
        ...options,
        toolDefinition: {...tool, outputSchema: undefined},
      });
    return leg.request(method, params, options);
  }

  private paramsFor(leg: Leg, caller: SurfaceCall, {params}: UpstreamRequest): Record<string, unknown> {
    const {progressToken: _, ...meta} = {...caller.meta};
    const own = Object.entries(meta).filter(([key]) => !RESERVED.test(key));
    if (leg.era === 'legacy') return {...params, ...(own.length > 0 && {_meta: Object.fromEntries(own)})};
    const {inputResponses, requestState} = caller;
    return {
      ...params,
      ...(inputResponses && {inputResponses}),
      ...(requestState !== undefined && {requestState}),
      _meta: {
        ...Object.fromEntries(own),
        [CLIENT_CAPABILITIES_META_KEY]: caller.capabilities,
        // A client of the older protocol hears what its level lets through.
        [LOG_LEVEL_META_KEY]: caller.logLevel ?? (caller.era === 'legacy' ? 'debug' : undefined),
      },
    };
  }

  private fault(thrown: unknown): ProtocolError {
    if (thrown instanceof ProtocolError) return thrown;
    const error = this.legs.explained(thrown);
    const hint = isCoordinatorError(error) && error.hint ? ` ${error.hint}` : '';
    const what = isConnectionLoss(error)
      ? `the server ${this.name} ended in the midst of the call (${this.lastEnd()}); whether it had an effect is not known`
      : isCoordinatorError(error)
        ? error.message
        : `the server ${this.name} failed: ${describeError(error)}`;
    return new ProtocolError(
      ProtocolErrorCode.InternalError,
      this.legs.withoutSecrets(`${what}${hint && `.${hint}`}`),
    );
  }

  private lastEnd(): string {
    return this.legs.replicas.map(({lastError}) => lastError).find(Boolean) ?? 'its connection was closed';
  }

  /** A connection that is silent to a ping is closed: whoever needs it opens another. */
  private async checkHealth(): Promise<void> {
    const {clock, settings} = this.options;
    const due = this.legs.open.filter(({leg}) => leg.busy === 0 && leg.era === 'legacy');
    await Promise.all(
      due.map(async ({leg}) => {
        const late = new AbortController();
        const timer = clock.schedule(settings.healthCheckMs, () =>
          late.abort(new Error('no answer to a ping')),
        );
        try {
          await leg.request('ping', {}, {signal: late.signal});
        } catch (error) {
          // An answer that it knows no ping is an answer.
          if (!(error instanceof ProtocolError) && leg.busy === 0)
            void leg.fail(`a ping failed: ${describeError(error)}`);
        } finally {
          timer.dispose();
        }
      }),
    );
  }
}

/** Whose answer it is: for the hub's clients the hub's. */
function withoutServerInfo(result: LegResult): LegResult {
  const {_meta: meta, ...rest} = result;
  if (meta === null || typeof meta !== 'object' || !(SERVER_INFO_META_KEY in meta)) return result;
  const {[SERVER_INFO_META_KEY]: _, ...kept} = meta as Record<string, unknown>;
  return Object.keys(kept).length > 0 ? {...rest, _meta: kept} : rest;
}

/** What belongs to one connection, or is made anew for each. */
const RESERVED =
  /^io\.modelcontextprotocol\/(?:protocolVersion|clientInfo|clientCapabilities|logLevel|subscriptionId)$/;

/**
 * One call of a client while a server works on it, across eras. A server of the 2025 protocol asks the client in mid-call: a client of that
 * protocol is asked at once; one of 2026-07-28 gets the question as the call's result, and comes back with the answer while the server still
 * waits. What waits for clients is bounded and expires (pendingCalls.ts).
 */
import {
  type LoggingLevel,
  MissingRequiredClientCapabilityError,
  type Progress,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/client';
import type {SurfaceCall} from '../mcp/surface.ts';
import {aborted} from '../runtime/abort.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Deferred, deferred} from '../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import type {AttendedCall, LegResult} from './leg.ts';

export interface OngoingCallOptions {
  /** For messages. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** `ask`: the client answers these first, then comes back. */
export type Attended =
  | {readonly kind: 'done'; readonly result: LegResult}
  | {readonly kind: 'ask'; readonly inputRequests: Readonly<Record<string, InputQuestion>>};

export interface InputQuestion {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

/** Of several questions that come at once one answer tells: when none has come for so long. */
const GATHER_MS = 20;

export class OngoingCall implements AttendedCall {
  private readonly stopped = new AbortController();
  private readonly questions = new Map<
    string,
    InputQuestion & {readonly answer: Deferred<Record<string, unknown>>}
  >();
  private outcome: Promise<LegResult> | undefined;
  private asked: Deferred<void> = deferred();
  private caller: SurfaceCall | undefined;
  private timer: Disposable = noDisposable;
  private gathering: Disposable = noDisposable;
  private waiting = 0;
  private isSent = false;
  private count = 0;
  /** What the server asked for in vain, since the client has not said that it can. */
  private readonly missing = new Set<ClientCapability>();

  constructor(private readonly options: OngoingCallOptions) {}

  /** Aborts when the call is over for us: cancelled, expired, too late. */
  get signal(): AbortSignal {
    return this.stopped.signal;
  }

  /** Begins with `work` where it has not begun. Resolves with its result, or with what the client has to answer first. */
  async attend(caller: SurfaceCall, work: () => Promise<LegResult>): Promise<Attended> {
    this.caller = caller;
    const onAbort = (): void => this.stop(cancelled());
    if (caller.signal.aborted) onAbort();
    caller.signal.addEventListener('abort', onAbort, {once: true});
    this.restart();
    this.outcome ??= work();
    this.outcome.catch(() => undefined);
    try {
      return await Promise.race([
        this.outcome.then(result => ({kind: 'done', result}) as const),
        aborted(this.signal),
        this.needed(),
      ]);
    } finally {
      caller.signal.removeEventListener('abort', onAbort);
      this.timer.dispose();
      this.caller = undefined;
    }
  }

  /** What the client has answered; questions that it left out are asked again. */
  answer(responses: Readonly<Record<string, unknown>>): void {
    for (const [key, question] of [...this.questions]) {
      const response = responses[key];
      if (response === undefined) continue;
      this.questions.delete(key);
      question.answer.resolve(Object(response));
    }
    this.asked = deferred();
    if (this.questions.size > 0) this.asked.resolve();
  }

  /** A failure as the client is told: where the server needed what the client has not declared, the newer protocol has an error for that. */
  failure(error: unknown, {era}: SurfaceCall): unknown {
    if (era === 'legacy' || this.missing.size === 0 || !(error instanceof ProtocolError)) return error;
    const requiredCapabilities = Object.fromEntries([...this.missing].map(capability => [capability, {}]));
    return new MissingRequiredClientCapabilityError({requiredCapabilities});
  }

  /** The server's own end: it is told that nobody waits any more. */
  stop(error: Error): void {
    this.stopped.abort(error);
    for (const {answer} of this.questions.values()) answer.reject(error);
    this.questions.clear();
  }

  /** The server has it now: before that it is others' time. */
  sent(): void {
    this.isSent = true;
    this.progressed();
  }

  /** The server is at work: the time without a sign of life begins anew. */
  progressed(): void {
    if (this.caller && this.waiting === 0) this.restart();
  }

  progress(progress: Progress): void {
    this.caller?.progress(progress);
  }

  log(level: LoggingLevel, data: unknown, logger?: string): void {
    this.caller?.log(level, data, logger);
  }

  async ask(
    method: string,
    params: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const {caller} = this;
    if (caller) this.checkAskable(caller, method);
    this.waiting++;
    this.timer.dispose();
    try {
      return caller?.request
        ? await answered(caller.request(method, params), signal)
        : await this.question(method, params, signal);
    } finally {
      this.waiting--;
      this.progressed();
    }
  }

  private checkAskable({capabilities, era, request}: SurfaceCall, method: string): void {
    const capability = CAPABILITY_OF[method];
    const reachable = era === 'modern' || request !== undefined;
    if (reachable && capability !== undefined && capabilities[capability] !== undefined) return;
    if (capability !== undefined) this.missing.add(capability);
    throw new ProtocolError(ProtocolErrorCode.MethodNotFound, `the client does not know ${method}`);
  }

  private async question(
    method: string,
    params: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    const key = `${method.split('/')[0]}-${++this.count}`;
    const answer = deferred<Record<string, unknown>>();
    answer.promise.catch(() => undefined);
    // What the older protocol has of its own, the newer has no use for.
    const {_meta: _, ...rest} = params;
    this.questions.set(key, {method, params: rest, answer});
    this.gathering.dispose();
    this.gathering = this.options.clock.schedule(
      GATHER_MS,
      () => this.questions.size > 0 && this.asked.resolve(),
      {background: true},
    );
    const onAbort = (): void => {
      this.questions.delete(key);
      answer.reject(cancelled());
    };
    signal.addEventListener('abort', onAbort, {once: true});
    try {
      return await answer.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private async needed(): Promise<Attended> {
    await this.asked.promise;
    const inputRequests = [...this.questions].map(([key, {method, params}]) => [key, {method, params}]);
    return {kind: 'ask', inputRequests: Object.fromEntries(inputRequests)};
  }

  private restart(): void {
    this.timer.dispose();
    if (!this.isSent) return;
    const {clock, timeoutMs, what} = this.options;
    this.timer = clock.schedule(timeoutMs, () =>
      this.stop(
        new ProtocolError(
          ProtocolErrorCode.InternalError,
          `${what} gave no sign of life for ${timeoutMs} ms and was cancelled; whether it had an effect is not known. Raise callTimeoutMs of the server if its work takes that long.`,
        ),
      ),
    );
  }
}

type ClientCapability = 'sampling' | 'elicitation' | 'roots';

const CAPABILITY_OF: Readonly<Record<string, ClientCapability>> = {
  'sampling/createMessage': 'sampling',
  'elicitation/create': 'elicitation',
  'roots/list': 'roots',
};

async function answered(answer: Promise<unknown>, signal: AbortSignal): Promise<Record<string, unknown>> {
  let onAbort: (() => void) | undefined;
  const given = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(cancelled());
    signal.addEventListener('abort', onAbort, {once: true});
  });
  try {
    return Object(await Promise.race([answer, given]));
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

function cancelled(): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidRequest, 'the call was cancelled');
}

/**
 * A call of a tool that was begun before the SDK has seen its request. When it ends soon and plainly, it is answered as it is; when it takes longer,
 * fails, or has something to say or to ask meanwhile, the request goes to the SDK, whose handler goes on with the call in its midst.
 */
import type {CallToolResult, InputRequiredResult, Progress} from '@modelcontextprotocol/server';
import {isProtocolError} from '../protocol/errors.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Admission} from './admission.ts';
import {isPlainResult, type PlainCall} from './plainCall.ts';
import type {Surface, SurfaceCall, SurfaceCaller} from './surface.ts';

export type CallOutcome = CallToolResult | InputRequiredResult | undefined;

export interface BegunCallOptions {
  readonly surface: Surface;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** What it wants of its client, done when somebody can. */
type Errand = (call: SurfaceCall) => void;

export class BegunCall {
  private readonly stopped = new AbortController();
  private readonly errands: Errand[] = [];
  private isOver = false;
  private attendant: SurfaceCall | undefined;
  private settle: ((result: CallToolResult | undefined) => void) | undefined;
  private readonly work: Promise<CallOutcome>;

  /** Undefined where its client has too much in work. */
  static begin(plain: PlainCall, caller: SurfaceCaller, options: BegunCallOptions): BegunCall | undefined {
    try {
      return new BegunCall(plain, caller, options, options.admission.enter(caller));
    } catch (error) {
      if (isProtocolError(error, 'overloaded')) return undefined;
      throw error;
    }
  }

  private constructor(
    readonly plain: PlainCall,
    caller: SurfaceCaller,
    private readonly options: BegunCallOptions,
    leave: () => void,
  ) {
    this.work = options.surface.callTool(plain.params, this.callOf(caller)).finally(() => {
      this.isOver = true;
      leave();
    });
    this.work.catch(() => undefined);
  }

  /** Its result where it is plain and there within `ms`; undefined: hand it over. */
  soon(ms: number): Promise<CallToolResult | undefined> {
    return new Promise(resolve => {
      const timer = this.options.clock.schedule(ms, () => settle(undefined), {background: true});
      const settle = (result: CallToolResult | undefined): void => {
        timer.dispose();
        this.settle = undefined;
        resolve(result);
      };
      this.settle = settle;
      this.work.then(
        result => settle(isPlainResult(result) ? result : undefined),
        () => settle(undefined),
      );
      if (this.errands.length > 0 || this.isStopped) settle(undefined);
    });
  }

  /** For whoever answers from now on. */
  attend(call: SurfaceCall): Promise<CallOutcome> {
    this.attendant = call;
    if (call.signal.aborted) this.stop();
    else call.signal.addEventListener('abort', () => this.stop(), {once: true});
    for (const errand of this.errands.splice(0)) errand(call);
    return this.work;
  }

  get isAttended(): boolean {
    return this.attendant !== undefined;
  }

  get isStopped(): boolean {
    return this.stopped.signal.aborted;
  }

  /** Nobody wants its result any more. */
  stop(): void {
    if (this.isOver) return;
    this.stopped.abort();
    this.settle?.(undefined);
  }

  private callOf(caller: SurfaceCaller): SurfaceCall {
    const {meta, logLevel} = this.plain;
    return {
      ...caller,
      signal: this.stopped.signal,
      meta,
      logLevel,
      progress: (progress: Progress) => {
        if (meta?.progressToken !== undefined) this.run(call => call.progress(progress));
      },
      log: (level, data, logger) => this.run(call => call.log(level, data, logger)),
      request:
        caller.era === 'legacy'
          ? (method, params) =>
              new Promise((resolve, reject) =>
                this.run(call => asked(call, method, params).then(resolve, reject)),
              )
          : undefined,
    };
  }

  private run(errand: Errand): void {
    if (this.attendant) {
      errand(this.attendant);
      return;
    }
    this.errands.push(errand);
    this.settle?.(undefined);
  }
}

/** Rejects whatever goes wrong: an errand that throws would fail whoever does it. */
async function asked(call: SurfaceCall, method: string, params: Record<string, unknown>): Promise<unknown> {
  if (!call.request) throw new Error(`the client cannot be asked ${method}`);
  return call.request(method, params);
}

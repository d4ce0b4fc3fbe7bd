/**
 * The short way for calls that are ours alone: correlation, timeouts and cancellation of MCPX methods without `_meta`, over frames that were
 * checked on arrival. The SDK's protocol, which checks and copies each message several times, keeps whatever else is MCP. On the wire both are
 * the same JSON-RPC; ids of this way are strings.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import {METHODS, type Method} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {parsePlainly} from '../protocol/plainlyValid.ts';
import type {Clock} from '../runtime/clock.ts';
import type {FrameKind} from './frame.ts';
import {callError, wireError} from './wireErrors.ts';

/** A JSON-RPC message whose members a frame's check has established. */
export interface CheckedMessage {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: {readonly code: number; readonly message: string; readonly data?: unknown};
}

/** A transport that offers each checked message here before it goes the long way. */
export interface DirectTransport {
  /** True when the message is taken. */
  onDirect?: (kind: FrameKind, message: CheckedMessage) => boolean;
  /** Throws when nothing can be sent. */
  sendDirect(message: object): void;
}

/** What a request tells its handler: only made when it is asked for. */
export interface Served {
  readonly signal: AbortSignal;
}

export interface DirectCallsOptions {
  readonly transport: DirectTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a message of the peer goes this way: MCPX was agreed on, the method is known and is of this kind. */
  accepts(kind: FrameKind, method: string): boolean;
  serve(
    method: string,
    params: Readonly<Record<string, unknown>> | undefined,
    served: Served,
  ): Promise<object>;
}

interface Asked {
  readonly method: Method;
  resolve(result: unknown): void;
  reject(error: ProtocolError): void;
}

const ID = /^d([0-9]{1,15})$/;
/** Microtasks that may lie between an answer and whoever waits for it. */
const STEPS_TO_ASKER = 16;

export class DirectCalls {
  private readonly asked = new Map<string, Asked>();
  private readonly serving = new Map<string | number, ServedRequest>();
  /** Calls that came right behind an answer: they begin when its asker has gone on, as if they had come later. */
  private held: (() => void)[] | undefined;
  private issued = 0;
  private closed = false;

  constructor(private readonly options: DirectCallsOptions) {
    options.transport.onDirect = (kind, message) => this.take(kind, message);
  }

  /** Rejects with a `ProtocolError` only. */
  request(method: Method, params: object, timeoutMs: number, signal?: AbortSignal): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(cancelled(method));
    if (this.closed) return Promise.reject(new ProtocolError('unavailable', `${method} could not be sent`));
    const id = `d${++this.issued}`;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.giveUp(id, cancelled(method), signal?.reason);
      const timer = this.options.clock.schedule(timeoutMs, () =>
        this.giveUp(id, late(method, timeoutMs), 'the request timed out'),
      );
      const end = (settle: () => void): void => {
        timer.dispose();
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      this.asked.set(id, {
        method,
        resolve: result => end(() => resolve(result)),
        reject: error => end(() => reject(error)),
      });
      signal?.addEventListener('abort', onAbort, {once: true});
      try {
        this.options.transport.sendDirect({jsonrpc: '2.0', id, method, params});
      } catch (error) {
        this.asked.delete(id);
        end(() => reject(callError(error, method)));
      }
    });
  }

  /** Throws when nothing can be sent. */
  notify(method: Method, params: object): void {
    this.options.transport.sendDirect({jsonrpc: '2.0', method, params});
  }

  /** The connection has closed: what waits is rejected, what is being served is told. */
  close(): void {
    this.closed = true;
    const waiting = [...this.asked.values()];
    this.asked.clear();
    for (const {method, reject} of waiting)
      reject(new ProtocolError('unavailable', `the connection closed before ${method} was answered`));
    for (const served of this.serving.values()) served.abort(undefined);
    this.serving.clear();
  }

  private take(kind: FrameKind, message: CheckedMessage): boolean {
    if (kind === 'response') return this.takeResponse(message);
    const {method = '', params} = message;
    if (kind === 'notification' && method === 'notifications/cancelled') {
      const isOurs = ID.test(String(params?.['requestId']));
      if (isOurs) this.held?.push(() => void this.takeCancellation(params));
      return (isOurs && this.held !== undefined) || this.takeCancellation(params);
    }
    if (params?.['_meta'] !== undefined || !this.options.accepts(kind, method)) return false;
    const {id} = message;
    const begin = (): void =>
      void (id === undefined ? this.receive(method, params) : this.answer(id, method, params));
    if (this.held) this.held.push(begin);
    else begin();
    return true;
  }

  private holdCalls(): void {
    if (this.held) return;
    this.held = [];
    void this.releaseCalls();
  }

  private async releaseCalls(): Promise<void> {
    for (let steps = STEPS_TO_ASKER; steps > 0; steps--) await undefined;
    const held = this.held ?? [];
    this.held = undefined;
    for (const begin of held) begin();
  }

  private takeResponse({id, result, error}: CheckedMessage): boolean {
    if (typeof id !== 'string') return false;
    const asked = this.asked.get(id);
    // One that comes after the caller has given up is merely late.
    if (!asked) return Number(ID.exec(id)?.[1] ?? Number.POSITIVE_INFINITY) <= this.issued;
    this.asked.delete(id);
    this.holdCalls();
    if (error) asked.reject(ProtocolError.fromWire(error));
    else this.settle(asked, result);
    return true;
  }

  private settle({method, resolve, reject}: Asked, result: unknown): void {
    try {
      const parsed = parsePlainly<z.ZodType>(METHODS[method].result, result);
      if (parsed.success) resolve(parsed.data);
      else reject(callError(parsed.error, method));
    } catch (error) {
      reject(callError(error, method));
    }
  }

  private takeCancellation(params: CheckedMessage['params']): boolean {
    const id = params?.['requestId'];
    const served = typeof id === 'string' || typeof id === 'number' ? this.serving.get(id) : undefined;
    served?.abort(params?.['reason']);
    return served !== undefined;
  }

  private async answer(id: string | number, method: string, params: CheckedMessage['params']): Promise<void> {
    const served = new ServedRequest();
    this.serving.set(id, served);
    let answer: object;
    try {
      answer = {jsonrpc: '2.0', id, result: await this.options.serve(method, params, served)};
    } catch (error) {
      const {code, message, data} = wireError(error);
      answer = {jsonrpc: '2.0', id, error: data === undefined ? {code, message} : {code, message, data}};
    }
    // A later request may have come under the same id.
    if (this.serving.get(id) === served) this.serving.delete(id);
    // Who cancelled wants no answer.
    if (served.isAborted) return;
    try {
      this.options.transport.sendDirect(answer);
    } catch (error) {
      this.options.logger.debug('an answer was not sent', {method, error});
    }
  }

  private async receive(method: string, params: CheckedMessage['params']): Promise<void> {
    try {
      await this.options.serve(method, params, NEVER_ABORTED);
    } catch (error) {
      this.options.logger.debug('the peer dropped a message', {error});
    }
  }

  /** The peer is told, as MCP has it. */
  private giveUp(id: string, error: ProtocolError, reason: unknown): void {
    const asked = this.asked.get(id);
    if (!asked) return;
    this.asked.delete(id);
    asked.reject(error);
    const params = {requestId: id, reason: String(reason)};
    try {
      this.options.transport.sendDirect({jsonrpc: '2.0', method: 'notifications/cancelled', params});
    } catch (failure) {
      this.options.logger.debug('a cancellation was not sent', {error: failure});
    }
  }
}

/** Most handlers never look at their signal, so it is made when one does. */
class ServedRequest implements Served {
  private controller: AbortController | undefined;
  private aborted: {readonly reason: unknown} | undefined;

  get isAborted(): boolean {
    return this.aborted !== undefined;
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted) this.controller.abort(this.aborted.reason);
    }
    return this.controller.signal;
  }

  abort(reason: unknown): void {
    this.aborted ??= {reason};
    this.controller?.abort(reason);
  }
}

const NEVER_ABORTED: Served = {signal: new AbortController().signal};

function cancelled(method: string): ProtocolError {
  return new ProtocolError('cancelled', `${method} was cancelled`);
}

function late(method: string, timeout: number): ProtocolError {
  return new ProtocolError('timeout', `${method} was not answered in time`, {timeout});
}

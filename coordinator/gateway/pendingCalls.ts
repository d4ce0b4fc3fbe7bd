/**
 * Calls that wait for their clients' answers. A client comes back with a state that only we can have made, for the very caller and request that
 * it was made for. They are this process's own: another coordinator says that it does not know them.
 */
import {createHmac, timingSafeEqual} from 'node:crypto';
import {ProtocolError, ProtocolErrorCode} from '@modelcontextprotocol/client';
import type {SurfaceCall} from '../mcp/surface.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {OngoingCall} from './ongoingCall.ts';

export interface PendingCallsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly maxPending: number;
  readonly maxPendingPerClient: number;
  /** What waits longer is given up, and the server told. */
  readonly expiryMs: number;
}

interface Pending {
  readonly call: OngoingCall;
  readonly clientKey: string;
  readonly timer: Disposable;
  /** Ends whatever the call holds. */
  release(): void;
}

/** States of ours begin so; all others are the servers' own. */
const MARK = 'mcpx1.';

export class PendingCalls {
  private readonly pending = new Map<string, Pending>();
  private readonly key: string;

  constructor(private readonly options: PendingCallsOptions) {
    this.key = options.random.hex(32);
  }

  get size(): number {
    return this.pending.size;
  }

  static isOurs(state: string | undefined): state is string {
    return state?.startsWith(MARK) ?? false;
  }

  /** Keeps it until its client comes back, and gives the state to come back with. `purpose` says what is called. */
  keep(call: OngoingCall, caller: SurfaceCall, purpose: string, release: () => void): string {
    const {clock, random, expiryMs, maxPending, maxPendingPerClient} = this.options;
    const own = [...this.pending.values()].filter(({clientKey}) => clientKey === caller.clientKey);
    if (this.pending.size >= maxPending || own.length >= maxPendingPerClient) {
      const error = new ProtocolError(
        ProtocolErrorCode.InternalError,
        'too many calls wait for an answer of their client; answer or give up some of them first',
      );
      call.stop(error);
      release();
      throw error;
    }
    const id = random.hex(16);
    const timer = clock.schedule(expiryMs, () => this.drop(id, `nobody answered within ${expiryMs} ms`));
    this.pending.set(id, {call, clientKey: caller.clientKey, timer, release});
    return `${MARK}${id}.${this.seal(id, caller, purpose)}`;
  }

  /** Throws `InvalidParams` for whatever is not a state of this caller's for this purpose. */
  take(state: string, caller: SurfaceCall, purpose: string): {call: OngoingCall; release(): void} {
    const [id = '', seal = ''] = state.slice(MARK.length).split('.');
    const expected = Buffer.from(this.seal(id, caller, purpose));
    const given = Buffer.from(seal);
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        'the requestState is not one of ours for this request',
      );
    const pending = this.pending.get(id);
    if (!pending)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        'the call that this goes on with is over: it expired, was answered before, or its server ended; call anew',
      );
    this.pending.delete(id);
    pending.timer.dispose();
    return pending;
  }

  forget(clientKey: string): void {
    for (const [id, pending] of this.pending)
      if (pending.clientKey === clientKey) this.drop(id, 'the client has gone');
  }

  stop(): void {
    for (const id of [...this.pending.keys()]) this.drop(id, 'the hub is stopping');
  }

  private drop(id: string, why: string): void {
    const pending = this.pending.get(id);
    if (!pending) return;
    this.pending.delete(id);
    pending.timer.dispose();
    pending.call.stop(new ProtocolError(ProtocolErrorCode.InvalidRequest, why));
    pending.release();
  }

  private seal(id: string, {principal}: SurfaceCall, purpose: string): string {
    const attempt = principal.attempt?.fence;
    const bound = JSON.stringify([id, principal.tenant, principal.id, attempt, purpose]);
    return createHmac('sha256', this.key).update(bound).digest('base64url');
  }
}

/** Who a command comes from, as its handler sees it. */
import type {CallInfo, Peer} from '../bridge/peer.ts';
import type {Method, ParamsInput} from '../protocol/commands/table.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import type {Principal} from '../security/principal.ts';

/** The way back to the caller's connection, for streams that mind how fast they are read. */
export interface Outbox {
  /** Sends a frame that is encoded already. Dropped when the connection has closed. */
  send(frame: string): void;
  /** Whether one event may be for several watches of the peer. */
  readonly sharesEvents: boolean;
  /** Bytes sent that the peer has not taken yet. */
  readonly backlog: number;
  /** Calls once, when the backlog is gone. */
  onceDrained(listener: () => void): Disposable;
}

export interface Caller extends CallInfo {
  readonly principal: Principal;
  readonly connectionId: string;
  readonly outbox: Outbox;
  /** Sends a notification over the caller's connection. */
  notify<M extends Method>(method: M, params: ParamsInput<M>): void;
  /** Calls when the caller's connection has closed; at once if it has already. */
  onClose(listener: () => void): Disposable;
}

/** What a connection has of a caller. */
interface CallerConnection extends Outbox {
  readonly id: string;
  readonly principal: Principal;
  readonly peer: Pick<Peer, 'notify'>;
  onClose(listener: () => void): Disposable;
}

export function connectionCaller(connection: CallerConnection, call: CallInfo): Caller {
  return {
    principal: connection.principal,
    connectionId: connection.id,
    outbox: connection,
    context: call.context,
    get signal() {
      return call.signal;
    },
    progress: call.progress,
    notify: (method, params) => connection.peer.notify(method, params),
    onClose: listener => connection.onClose(listener),
  };
}

/** A caller inside this process: nothing can be streamed to it. */
export function localCaller(principal: Principal, call: Partial<CallInfo> = {}): Caller {
  return {
    principal,
    connectionId: 'local',
    outbox: {send: () => undefined, sharesEvents: false, backlog: 0, onceDrained: () => noDisposable},
    context: call.context ?? {},
    signal: call.signal ?? new AbortController().signal,
    progress: call.progress ?? (() => undefined),
    notify: () => undefined,
    onClose: () => noDisposable,
  };
}

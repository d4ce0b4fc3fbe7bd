/** The commands that a hub serves: one handler each, and one authorization before every one of them. */

import type {IncomingCall} from '../bridge/peer.ts';
import type {Method, Params, ResultInput} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {assert} from '../runtime/assert.ts';
import {authorize} from '../security/authorize.ts';
import type {Caller} from './caller.ts';

export type CommandHandler<M extends Method> = (params: Params<M>, caller: Caller) => Promise<ResultInput<M>>;

type AnyHandler = (params: never, caller: Caller) => Promise<object>;

export class Commands {
  private readonly handlers = new Map<Method, AnyHandler>();

  /** Every method has one handler for the life of the hub. */
  handle<M extends Method>(method: M, handler: CommandHandler<M>): void {
    assert(!this.handlers.has(method), `${method} has a handler already`);
    this.handlers.set(method, handler as AnyHandler);
  }

  /** Throws `forbidden`, `notAvailable` or whatever the handler threw. */
  dispatch(call: Pick<IncomingCall, 'method' | 'params'>, caller: Caller): Promise<object> {
    authorize(caller.principal, call.method, call.params);
    const handler = this.handlers.get(call.method);
    if (!handler) throw new ProtocolError('notAvailable', `${call.method} is not served by this coordinator`);
    return handler(call.params as never, caller);
  }
}

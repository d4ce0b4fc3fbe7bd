/** MCPX as a service to the rest of a coordinator: commands to instances, one or many, and messages of theirs that came another way than a socket. */

import type {IncomingCall} from '../bridge/peer.ts';
import {parseParams, wireError} from '../bridge/wireErrors.ts';
import type {MCPXCommand, ParamsInput, Result} from '../protocol/commands/table.ts';
import {isMethod, METHODS} from '../protocol/commands/table.ts';
import type {MCPXMessage} from '../protocol/envelope.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../protocol/version.ts';
import type {Principal} from '../security/principal.ts';
import type {AgentChannel} from '../tasks/agentChannel.ts';
import {type Caller, localCaller} from './caller.ts';

export type CommandOutcome<C extends MCPXCommand> =
  | {readonly ok: true; readonly result: Result<C>}
  | {readonly ok: false; readonly error: ProtocolError};

export interface MCPXProtocolOptions {
  readonly channel: AgentChannel;
  readonly dispatch: (call: Pick<IncomingCall, 'method' | 'params'>, caller: Caller) => Promise<object>;
  /** Who the handled messages come from. */
  readonly principal: Principal;
}

export class MCPXProtocol {
  constructor(private readonly options: MCPXProtocolOptions) {}

  /** Rejects with a `ProtocolError`: `timeout`, `agentDisconnected`, `overloaded`, or the instance's own. `timeout` is in ms. */
  sendOrchestrationCommand<C extends MCPXCommand>(
    targetInstance: string,
    command: C,
    payload: ParamsInput<C>,
    timeout: number = DEFAULT_REQUEST_TIMEOUT_MS,
  ): Promise<Result<C>> {
    return this.options.channel.send(targetInstance, command, payload, {timeoutMs: timeout});
  }

  /** Every instance is asked at once; the map has an entry for each, whatever became of it. */
  async broadcastCommand<C extends MCPXCommand>(
    instances: readonly string[],
    command: C,
    payload: ParamsInput<C>,
    timeout: number = DEFAULT_REQUEST_TIMEOUT_MS,
  ): Promise<Map<string, CommandOutcome<C>>> {
    const asked = [...new Set(instances)].map(async instance => {
      const outcome = await this.sendOrchestrationCommand(instance, command, payload, timeout).then(
        (result): CommandOutcome<C> => ({ok: true, result}),
        (error: unknown): CommandOutcome<C> => ({ok: false, error: wireError(error)}),
      );
      return [instance, outcome] as const;
    });
    return new Map(await Promise.all(asked));
  }

  /** Runs a request and answers its response; a notification answers undefined. Faults are error responses, never throws. */
  async handleMCPXMessage(message: MCPXMessage): Promise<MCPXMessage | undefined> {
    const {id} = message;
    try {
      const result = {...(await this.run(message))};
      return id === undefined ? undefined : {jsonrpc: '2.0', id, result};
    } catch (error) {
      const {code, message: text, data} = wireError(error);
      return {jsonrpc: '2.0', id, error: {code, message: text, ...(data === undefined ? {} : {data})}};
    }
  }

  private run(message: MCPXMessage): Promise<object> {
    const {method, params, orchestration, coordination, distribution} = message;
    if (method === undefined) throw new ProtocolError('invalidRequest', 'not a call');
    if (!isMethod(method)) throw new ProtocolError('methodNotFound', `method ${method} is not known here`);
    const spec = METHODS[method];
    if ('later' in spec)
      throw new ProtocolError('notAvailable', `${method} is not available in this version`);
    const call = {method, params: parseParams(method, params)} as Pick<IncomingCall, 'method' | 'params'>;
    const context = {orchestration, coordination, distribution};
    return this.options.dispatch(call, localCaller(this.options.principal, {context}));
  }
}

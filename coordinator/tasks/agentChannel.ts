/** What the lead needs of the hub: a way to say something to an agent, wherever its socket is. */
import type {Method, ParamsInput, Result} from '../protocol/commands/table.ts';

/** Ends a command. A function is asked for its signal only when the command has to wait for a connection, and what is on its way runs to its end. */
export type CommandSignal = AbortSignal | (() => AbortSignal);

export interface AgentChannel {
  /**
   * Sends a command. While the agent is disconnected the command waits, bounded, until its timeout (default 30 s). Rejects with a
   * `ProtocolError`: `timeout`, `agentDisconnected`, `overloaded`, or whatever the agent answered.
   */
  send<M extends Method>(
    agentId: string,
    method: M,
    params: ParamsInput<M>,
    options?: {readonly timeoutMs?: number; readonly signal?: CommandSignal},
  ): Promise<Result<M>>;
}

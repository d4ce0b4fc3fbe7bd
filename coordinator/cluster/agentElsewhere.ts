/** The way to an agent whose socket another coordinator has. The hub uses it as it uses a socket of its own. */
import type {CallOptions, Peer} from '../bridge/peer.ts';
import type {AgentLink} from '../hub/agentLinks.ts';
import type {ClusterDeliver, PassedOn} from '../protocol/commands/cluster.ts';
import {METHODS, type Method, type ParamsInput, type Result} from '../protocol/commands/table.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {DEFAULT_REQUEST_TIMEOUT_MS} from '../protocol/version.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import {describeError} from '../runtime/errors.ts';
import {answerOf} from './passOn.ts';

/** The other coordinator says that the time is over before we do: it knows whether the agent was there. */
const ANSWER_MARGIN_MS = 1000;
const RETRY_MS = 200;

export class AgentElsewhere implements AgentLink {
  readonly remote = true;
  readonly connectionId: string;
  readonly peer: AgentLink['peer'];
  private readonly over = new AbortController();

  constructor(
    private readonly agentId: string,
    coordinator: string,
    readonly through: Peer,
    private readonly clock: Clock,
  ) {
    this.connectionId = `coordinator:${coordinator}`;
    this.peer = {request: (method, params, options) => this.request(method, params, options)};
  }

  /** The agent is to be reached another way: what is under way is given up there, and the hub sends it again. Call when the hub has let go. */
  end(): void {
    this.over.abort();
  }

  private async request<M extends Method>(
    method: M,
    params: ParamsInput<M>,
    {timeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, signal}: CallOptions = {},
  ): Promise<Result<M>> {
    const deadline = this.clock.now() + timeoutMs;
    const ended = signal ? AbortSignal.any([signal, this.over.signal]) : this.over.signal;
    for (;;) {
      const leftMs = deadline - this.clock.now();
      const passed = await this.passOn({agentId: this.agentId, method, params, timeoutMs: leftMs}, ended);
      if (signal?.aborted) throw new ProtocolError('cancelled', `${method} was cancelled`);
      if (passed.kind !== 'lost') return resultOf(method, answerOf(passed));
      if (ended.aborted || this.clock.now() + RETRY_MS >= deadline) throw this.unavailable(passed.error);
      await delay(this.clock, RETRY_MS, ended).catch(() => undefined);
    }
  }

  private async passOn(
    command: ClusterDeliver,
    signal: AbortSignal,
  ): Promise<PassedOn | {readonly kind: 'lost'; readonly error: unknown}> {
    const options = {timeoutMs: command.timeoutMs + ANSWER_MARGIN_MS, signal};
    try {
      return (await this.through.request('mcpx.cluster.deliver', command, options)).outcome;
    } catch (error) {
      if (isProtocolError(error, 'timeout') || isProtocolError(error, 'overloaded')) throw error;
      return {kind: 'lost', error};
    }
  }

  private unavailable(why: unknown): ProtocolError {
    return new ProtocolError(
      'unavailable',
      `the coordinator of agent ${this.agentId} was not reached: ${describeError(why)}`,
    );
  }
}

function resultOf<M extends Method>(method: M, answer: object): Result<M> {
  const parsed = METHODS[method].result.safeParse(answer);
  if (parsed.success) return parsed.data as Result<M>;
  throw new ProtocolError('internal', `the answer to ${method} is malformed`);
}

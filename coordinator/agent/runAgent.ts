/** Runs one agent until it is told to stop or its hub wants it no more. Signals and the exit code are the command's. */
import type {Logger} from '../observability/logger.ts';
import {Agent, type AgentEnd} from './agent.ts';
import type {AgentOptions} from './agentOptions.ts';

export interface RunAgentOptions extends AgentOptions {
  /** The first `stop` drains; `now` ends the attempts at once. */
  readonly stop: AbortSignal;
  readonly now?: AbortSignal | undefined;
  /** Connecting has begun. */
  started?(agent: Agent): void;
}

/** Rejects like `Agent.start`. */
export async function runAgent(options: RunAgentOptions): Promise<AgentEnd> {
  const agent = await Agent.start(options);
  options.started?.(agent);
  onAbort(options.stop, () => leave(agent, options.logger, false));
  if (options.now) onAbort(options.now, () => leave(agent, options.logger, true));
  return agent.ended;
}

function leave(agent: Agent, logger: Logger, now: boolean): void {
  agent
    .stop('the agent was told to stop', {now})
    .catch((error: unknown) => logger.error('the agent did not stop in order', {error}));
}

function onAbort(signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, {once: true});
}

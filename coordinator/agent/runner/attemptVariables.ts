/** The variables by which the processes of an attempt know where they are. Pure. */
import type {TaskAssign} from '../../protocol/commands/attempt.ts';

export function attemptVariables(
  assign: TaskAssign,
  agent: {readonly agentId: string; readonly hubUrl: () => string},
): Record<string, string> {
  return {
    MCPX_SESSION_ID: assign.sessionId,
    MCPX_TASK_ID: assign.taskId,
    /** Same for every attempt of the task: for effects that must not happen twice. */
    MCPX_TASK_KEY: assign.taskKey,
    MCPX_ATTEMPT_ID: assign.attemptId,
    MCPX_ATTEMPT: String(assign.number),
    MCPX_AGENT_ID: agent.agentId,
    MCPX_HUB: agent.hubUrl(),
  };
}

/** Environment entries by which the processes of an attempt are found again whatever became of their parents. */

export const ATTEMPT_VARIABLE = 'MCPX_ATTEMPT_ID';
export const AGENT_RUN_VARIABLE = 'MCPX_AGENT_RUN';

/** An attempt id alone would also match another agent's processes on this machine. */
export function attemptMarkers(agentRun: string, attemptId: string): string[] {
  return [`${ATTEMPT_VARIABLE}=${attemptId}`, runMarker(agentRun)];
}

export function runMarker(agentRun: string): string {
  return `${AGENT_RUN_VARIABLE}=${agentRun}`;
}

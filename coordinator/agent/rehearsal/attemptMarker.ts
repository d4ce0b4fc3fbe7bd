/** The lines that tell, inside a conversation with a model, whose work it is: written by the claude driver, read by the rehearsal server. */

export interface AttemptMarker {
  readonly taskId: string;
  /** 1 for the first attempt of the task. */
  readonly attempt: number;
  readonly worktree: string;
}

export function formatAttemptMarker({taskId, attempt, worktree}: AttemptMarker): string {
  return `MCPX task: ${taskId} attempt ${attempt}\nMCPX worktree: ${worktree}`;
}

/** `undefined` when the text holds no marker. */
export function findAttemptMarker(text: string): AttemptMarker | undefined {
  const task = /^MCPX task: (.+) attempt (\d+)$/m.exec(text);
  const worktree = /^MCPX worktree: (.+)$/m.exec(text);
  if (!task?.[1] || !worktree?.[1]) return undefined;
  return {taskId: task[1], attempt: Number(task[2]), worktree: worktree[1]};
}

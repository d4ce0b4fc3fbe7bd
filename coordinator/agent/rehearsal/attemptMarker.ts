/** The lines that tell, inside a conversation with a model, whose work it is: written by the claude driver, read by the rehearsal server. */

export interface AttemptMarker {
  readonly taskId: string;
  /** 1 for the first attempt of the task. */
  readonly attempt: number;
  readonly worktree: string;
  /** Where the script has to name it. */
  readonly session?: string | undefined;
}

export function formatAttemptMarker({taskId, attempt, worktree, session}: AttemptMarker): string {
  const lines = [`MCPX task: ${taskId} attempt ${attempt}`, `MCPX worktree: ${worktree}`];
  return [...lines, ...(session === undefined ? [] : [`MCPX session: ${session}`])].join('\n');
}

/** `undefined` when the text holds no marker. */
export function findAttemptMarker(text: string): AttemptMarker | undefined {
  const task = /^MCPX task: (.+) attempt (\d+)$/m.exec(text);
  const worktree = /^MCPX worktree: (.+)$/m.exec(text);
  if (!task?.[1] || !worktree?.[1]) return undefined;
  const session = /^MCPX session: (\S+)$/m.exec(text)?.[1];
  return {
    taskId: task[1],
    attempt: Number(task[2]),
    worktree: worktree[1],
    ...(session === undefined ? {} : {session}),
  };
}

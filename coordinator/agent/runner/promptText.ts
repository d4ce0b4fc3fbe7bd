/** The words that a prompt task's Claude Code gets: what to do, what went wrong before, and where it is. Pure. */
import type {TaskAssign} from '../../protocol/commands/attempt.ts';
import type {GateEvidence} from '../../protocol/gate.ts';

/** What a kept merge left for the work to resolve. */
export interface KeptConflict {
  readonly paths: readonly string[];
  readonly ours: {readonly taskId: string};
  readonly theirs: {readonly taskId: string};
}

/** `patch`: what the work is about. */
export function promptText(
  assign: TaskAssign,
  prompt: string,
  conflicts: readonly KeptConflict[],
  patch?: string,
): string {
  const parts = [prompt];
  if (patch !== undefined) parts.push(patchText(patch));
  if (conflicts.length > 0) parts.push(conflictText(conflicts));
  if (assign.previous) parts.push(previousText(assign.previous));
  if (assign.note) parts.push(`The person who runs this adds:\n${assign.note}`);
  return parts.join('\n\n');
}

/** Appended to Claude Code's own system prompt. */
export function systemPromptAppend(assign: TaskAssign, worktree: string): string {
  const {task, taskId, sessionId, sessionName, attemptId, number} = assign;
  const title = task.title ? ` ("${task.title}")` : '';
  const inputs =
    task.dependsOn.length > 0
      ? ` The results of the tasks it depends on (${list(task.dependsOn)}) are merged into it already.`
      : '';
  return [
    `You work on task ${taskId}${title} of session ${sessionId} ("${sessionName}"), as one of several instances that work on other tasks of it at the same time.`,
    `This is attempt ${number} (${attemptId}).`,
    `Your worktree is ${worktree}. It is the only place to edit: what you leave in its files is the result of the task.${inputs}`,
    'You need not commit: whatever is changed when you finish is committed for you. Do not push, and do not change other folders or other checkouts of the project.',
    ...(task.hubTools ? [HUB_TOOLS_TEXT] : []),
    'When you are done, say in a few sentences what you did: these words are the summary that people and dependent tasks get.',
  ].join('\n');
}

const HUB_TOOLS_TEXT =
  'The tools of the MCP server "mcpx" reach the others of this session: task_delegate gives work to another agent and task_wait waits for it, memory_get and memory_put read and write what all share, mailbox_send and mailbox_receive pass messages (your mailbox has the id of your task), person_ask asks the person in charge. They end with this attempt.';

/** Said to an instance that was interrupted while the hub could not be reached. */
export const RESUME_TEXT =
  'The connection to the coordinator was lost for a while, so you were interrupted. It is back: go on where you stopped.';

function conflictText(conflicts: readonly KeptConflict[]): string {
  const lines = conflicts.map(
    ({paths, ours, theirs}) =>
      `- ${paths.join(', ')}: the result of ${ours.taskId} against that of ${theirs.taskId}`,
  );
  return [
    'The results of tasks that this one depends on contradict each other. They are merged into your worktree with git conflict markers where they do:',
    ...lines,
    'Resolve every conflict so that what both sides intended holds, remove all conflict markers, and leave the files as they should be.',
  ].join('\n');
}

function previousText({message, gates}: NonNullable<TaskAssign['previous']>): string {
  const failed = gates.filter(gate => !gate.passed && !gate.waived);
  const head = `An earlier attempt at this task did not succeed: ${message}`;
  return [head, ...failed.map(gateText)].join('\n\n');
}

function patchText(patch: string): string {
  if (patch.trim() === '') return 'It changed no file.';
  const fence = fenceAround(patch);
  return `The change:\n${fence}diff\n${patch.trimEnd()}\n${fence}`;
}

function gateText(gate: GateEvidence): string {
  if (gate.error === undefined && gate.type === 'approval')
    return `A person was asked ("${gate.gate}") and did not approve${gate.output === '' ? '.' : `:\n${gate.output}`}`;
  if (gate.error === undefined && gate.type === 'review')
    return `Another instance reviewed the result ("${gate.gate}") and found what has to be mended:\n${gate.output}`;
  return checkText(gate);
}

function checkText(gate: GateEvidence): string {
  const isCommand = gate.type === undefined || gate.type === 'command';
  const verdict = gate.error ?? exitText(gate.exitCode, isCommand);
  const fence = fenceAround(gate.output);
  const output =
    gate.output.trim() === '' ? 'It printed nothing.' : `${fence}\n${gate.output.trimEnd()}\n${fence}`;
  return `The check "${gate.gate}" has to pass and failed${verdict === '' ? '' : ` (${verdict})`}. The end of its output:\n${output}`;
}

function exitText(exitCode: number | null, isCommand: boolean): string {
  if (!isCommand) return '';
  return exitCode === null ? 'did not finish' : `exit code ${exitCode}`;
}

function fenceAround(text: string): string {
  return '`'.repeat(Math.max(3, longestRun(text, '`') + 1));
}

function longestRun(text: string, letter: string): number {
  let longest = 0;
  let run = 0;
  for (const each of text) {
    run = each === letter ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

function list(names: readonly string[]): string {
  return names.length <= 20
    ? names.join(', ')
    : `${names.slice(0, 20).join(', ')} and ${names.length - 20} more`;
}

/** What is said about an attempt that goes on where another was cut off: to the conversation itself, and to the people who read its transcript. Pure. */
import type {TaskAssign} from '../../protocol/commands/attempt.ts';
import type {Continued} from '../../protocol/model/checkpoint.ts';
import type {Continuation} from './continuation.ts';

/** The first message that the conversation gets on this machine. */
export function continuedText(assign: TaskAssign, continuation: Continuation, worktree: string): string {
  const {from, checkpoint, later, more, subagents} = continuation;
  const parts = [
    `You were cut off: ${nameOf(from)} ended in the middle of your work. You go on with it on another machine, as attempt ${assign.number} (${assign.attemptId}).`,
    checkpoint.work
      ? `Your worktree is ${worktree} now; its path was changed to that everywhere above. Its files, and what you had committed, are as they were after your last tool call above. What you had staged is not staged any more.`
      : `Your folder is ${worktree} now; its path was changed to that everywhere above. It is empty: what was in it is gone.`,
    'Files that git ignores are gone, except those that every fresh worktree of this project has. Gone as well are processes that you had started, and whatever was outside the worktree on the other machine.',
  ];
  if (later.length > 0) parts.push(laterText(later, more));
  if (subagents.length > 0)
    parts.push(
      `Subagents that were at work have ended with the other machine (${subagents.join(', ')}): nothing comes from them by itself. Send a message to one that is to go on, or do its work anew.`,
    );
  if (assign.note) parts.push(`The person who runs this adds:\n${assign.note}`);
  parts.push('Go on where you stopped.');
  return parts.join('\n\n');
}

/** Added to the prompt when the files could be brought here, but not the conversation. */
export const UNFINISHED_WORK_TEXT =
  'An earlier attempt at this task was cut off. What it had changed by then is in your worktree already, unfinished: see git log and git status, and go on from there.';

export function continuedNotice(from: Continued): string {
  return `Continued from ${nameOf(from)} at tool call ${from.calls}: the conversation and the files are as they were then.`;
}

export function anewNotice(from: Continued, why: string): string {
  return `This attempt begins anew and does not continue ${nameOf(from)}: ${why}`;
}

function nameOf({attemptId, agentId}: Continued): string {
  return `attempt ${attemptId.slice(attemptId.lastIndexOf('.') + 1)} on agent ${agentId}`;
}

function laterText(later: Continuation['later'], more: number): string {
  const lines = later.map(
    ({name, input, ended}) => `- ${name} ${input}${ended ? ' (it had ended; its result is lost)' : ''}`,
  );
  if (more > 0) lines.push(`- and ${more} more`);
  return [
    'After that you, or a subagent, had begun these tool calls, which you do not see above. Whether and how far they took effect is not known; what they changed in files of the worktree is gone or may be partly there. Where one has an effect elsewhere, look before you repeat it:',
    ...lines,
  ].join('\n');
}

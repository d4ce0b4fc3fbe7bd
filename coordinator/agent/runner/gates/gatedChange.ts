/** Says what an attempt changed, for those who judge it elsewhere: a reviewer on another agent, or a person. */
import type {GatedChange} from '../../../protocol/gate.ts';
import type {TaskResult} from '../../../protocol/model/task.ts';
import type {Workspace} from '../../workspace/workspace.ts';

const MAX_CHARACTERS = 4000;

const WORDS: Readonly<Record<string, string>> = {A: 'added', D: 'deleted', M: 'changed', T: 'changed'};

/** Without a repository it has no files. */
export async function gatedChange(
  workspace: Workspace,
  result: TaskResult | undefined,
  signal: AbortSignal,
): Promise<GatedChange> {
  const {git} = workspace;
  const to = result?.commit;
  if (!git || to === undefined) return {files: 0, summary: ''};
  const changes = await workspace.changes(to, signal);
  let summary = '';
  let named = 0;
  for (const {path, status} of changes) {
    const line = `${WORDS[status] ?? 'changed'} ${path}\n`;
    if (summary.length + line.length > MAX_CHARACTERS) break;
    summary += line;
    named += 1;
  }
  if (named < changes.length) summary += `and ${changes.length - named} more`;
  return {from: git.start, to, files: changes.length, summary: summary.trimEnd()};
}

/** A task that is split over files: its first attempt looks which there are, and asks for a part for each. */
import {filePattern} from '../../protocol/filePattern.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {mergeValues} from '../../protocol/plan/mergeValues.ts';
import {dealt} from '../../protocol/plan/split.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {Attempt} from './attempt.ts';
import {CANCELLED, failed, succeeded} from './attemptReport.ts';
import {MAX_HUB_FAULTS} from './prepareAttempt.ts';
import type {RunnerServices} from './runnerServices.ts';

/** Undefined when there is nothing to divide. Else the attempt makes way for the parts; without a file that fits it is done. Throws as its fence falls. */
export async function divideTask(
  attempt: Attempt,
  workspace: Workspace,
  {link}: Pick<RunnerServices, 'link'>,
): Promise<AttemptReport | undefined> {
  const {attemptId, fence, task} = attempt.assign;
  const {split} = task;
  if (!split?.files) return undefined;
  if (!workspace.git)
    return failed('workspace', 'a task is split over the files of a repository, and there is none');
  const {signal} = attempt.work;
  const patterns = split.files.map(filePattern);
  const files = (await workspace.startFiles(signal)).filter(file => patterns.some(matches => matches(file)));
  if (files.length === 0) {
    const {kind} = split.merge;
    const value = kind === 'json' || kind === 'concat' ? mergeValues(kind, []) : undefined;
    return succeeded(`no file matches ${split.files.join(', ')}`, value);
  }
  const parts = dealt(files, split.shards).map(part => [...part]);
  attempt.transcript.note('info', `${files.length} files, which make ${parts.length} parts`);
  await link.deliver(
    'mcpx.distribute.task.split',
    {attemptId, fence, split: {kind: 'parts', parts}},
    {signal, maxFaults: MAX_HUB_FAULTS},
  );
  return CANCELLED;
}

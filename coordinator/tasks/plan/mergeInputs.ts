/** Inserts the task that merges conflicting inputs before the task that could not start from them. */

import type {Failure} from '../../protocol/model/task.ts';
import {assert} from '../../runtime/assert.ts';
import {absent, putRecord} from '../../store/records.ts';
import {addTask, linkDependencies, type TaskNode} from '../fleet/fleet.ts';
import {newTaskRecord, taskNode} from '../fleet/nodes.ts';
import type {MergeStep} from '../steps/conductor.ts';
import {constantDurations} from './durationModel.ts';
import {mergeTask} from './implicitTasks.ts';

/** `inserted` runs when both records are in place. */
export function insertMerge(
  task: TaskNode,
  failure: Failure,
  principal: string,
  inserted: (merge: TaskNode) => void,
): MergeStep {
  const {session, spec} = task;
  assert(failure.conflict, `task ${spec.id} has no conflict to merge`);
  const merge = mergeTask(session.plan, spec, failure.conflict);
  const record = {...newTaskRecord(session.id, merge, 'merge', principal), mergeFor: spec.id};
  const key = session.keys.task(session.id, merge.id);
  return {
    compare: [absent(key)],
    ops: [putRecord(key, record)],
    committed: revision => {
      const node = taskNode(session, merge, record, revision);
      addTask(node);
      linkDependencies(node);
      node.rank = task.rank + constantDurations(merge);
      task.mergedBy = merge.id;
      task.missing = 1;
      task.doomed = 0;
      node.dependents.push(task);
      inserted(node);
    },
  };
}

/** The ref that names a task's result, written with the decision that takes it. Pure. */
import type {RefRecord} from '../../protocol/model/facts.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import type {TaskResult} from '../../protocol/model/task.ts';
import {putRecord} from '../../store/records.ts';
import type {Op} from '../../store/store.ts';
import type {TaskNode} from '../fleet/fleet.ts';

/** Nothing for a result without a commit. */
export function resultRef(
  {session, spec}: TaskNode,
  attemptId: string,
  result: TaskResult | undefined,
  by: {readonly principal: string; readonly at: number},
): Op[] {
  if (result?.commit === undefined) return [];
  const ref: RefRecord = {
    v: RECORD_VERSION,
    principal: by.principal,
    name: spec.id,
    commit: result.commit,
    bundle: result.bundle,
    attemptId,
    at: by.at,
  };
  return [putRecord(session.keys.ref(session.id, spec.id), ref)];
}

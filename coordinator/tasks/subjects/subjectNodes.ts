/** Makes the tasks that are about what an attempt left again from their records. Pure. */
import type {TaskRecord, TaskResult} from '../../protocol/model/task.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {reportedResult} from '../controls/steering.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import type {StoredTasks} from '../fleet/loader.ts';
import {taskNode} from '../fleet/nodes.ts';
import {reviewTask} from '../gates/reviewTask.ts';
import {undoTask} from '../rollback/undoTask.ts';

/** `known` are the session's other tasks. Throws `corrupt` for one that has lost its subject. */
export function subjectNodes(
  session: SessionNode,
  known: readonly TaskNode[],
  tasks: StoredTasks['tasks'],
  attempts: StoredTasks['attempts'],
): TaskNode[] {
  const byId = new Map(known.map(node => [node.spec.id, node]));
  const nodes: TaskNode[] = [];
  for (const {record, mod} of tasks.values()) {
    const {about} = record;
    if (!about) continue;
    const subject = byId.get(about.taskId);
    const attempt = attempts.get(about.taskId)?.find(one => one.record.id === about.attemptId);
    const result = (attempt && reportedResult(attempt.record)) ?? {summary: ''};
    const spec = subject && specOf(subject.spec, record, result);
    if (!spec) throw new CoordinatorError('corrupt', `task ${record.id} has lost what it is about`);
    const node = taskNode(session, spec, record, mod);
    node.subject = {taskId: about.taskId, result};
    nodes.push(node);
  }
  return nodes;
}

function specOf(
  subject: TaskSpecification,
  {origin, about}: TaskRecord,
  result: TaskResult,
): TaskSpecification | undefined {
  if (origin === 'undo') return undoTask(subject);
  const gate = subject.gates.find(one => one.name === about?.gate);
  return about && gate?.type === 'review' ? reviewTask(subject, gate, about, result) : undefined;
}

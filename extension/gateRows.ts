/** The quality gates of a session as its plan names them, each with what it saw last. Pure. */
import type {GateEvidence} from '../coordinator/protocol/gate.ts';
import {RESULT_TASK_ID, type TaskRecord, type TaskState} from '../coordinator/protocol/model/task.ts';
import type {Plan} from '../coordinator/protocol/plan/plan.ts';

export interface GatedTask {
  readonly taskId: string;
  readonly title: string | undefined;
  readonly state: TaskState;
  readonly gates: readonly {readonly name: string; readonly evidence: GateEvidence | undefined}[];
  /** Changes with every verdict of the task. */
  readonly verdict: string;
}

/** In plan order, the gates of the result last. Tasks without gates are left out. */
export function gatedTasks(tasks: Iterable<TaskRecord>, plan: Plan): GatedTask[] {
  const records = new Map([...tasks].map(task => [task.id, task]));
  const planned = plan.tasks.map(({id, title, gates}) => ({id, title, gates}));
  const all = [...planned, {id: RESULT_TASK_ID, title: undefined, gates: plan.gates}];
  return all.flatMap(({id, title, gates}): GatedTask[] => {
    const record = records.get(id);
    if (!record || gates.length === 0) return [];
    const seen = new Map(record.gates?.map(evidence => [evidence.gate, evidence]));
    return [
      {
        taskId: id,
        title,
        state: record.state,
        gates: gates.map(({name}) => ({name, evidence: seen.get(name)})),
        verdict: record.gates?.length ? `${record.attempts} ${JSON.stringify(record.gates)}` : '',
      },
    ];
  });
}

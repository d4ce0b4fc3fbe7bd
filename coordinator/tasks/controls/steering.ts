/** What a person may do to one task: its next record, or why not. Pure; asking agents and writing records is taskControls.ts. */
import type {GateEvidence, GateWaiver} from '../../protocol/gate.ts';
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {TaskNote, TaskRecord, TaskResult} from '../../protocol/model/task.ts';
import {NOTHING_ASKED} from '../deciding/changes.ts';
import {boundedEvidence, waivedEvidence} from '../deciding/evidence.ts';
import {taskTransition} from '../deciding/taskMachine.ts';
import {type AttemptNode, isFinalTask, type TaskNode} from '../fleet/fleet.ts';

export interface Refused {
  readonly kind: 'refused';
  /** For a person. */
  readonly message: string;
}

export type Steered = {readonly kind: 'task'; readonly task: TaskRecord} | Refused;

/** As `Steered`, with what the attempt left that the decision is about. */
export type SteeredResult =
  | {readonly kind: 'task'; readonly task: TaskRecord; readonly result: TaskResult}
  | Refused;

const refused = (message: string): Refused => ({kind: 'refused', message});

export function mayReopen({record}: TaskNode): boolean {
  const {state} = record;
  return !record.about && (state === 'failed' || state === 'cancelled' || state === 'rolledBack');
}

/** A fresh start after an end; at once instead of later for one that waits. */
export function retried(task: TaskNode, note?: TaskNote): Steered {
  const {record, spec} = task;
  const {state, waitingFor} = record;
  const noted = {note: note ?? record.note};
  if (record.about && isFinalTask(task))
    return refused(
      `task ${spec.id} begins anew when the gates of task ${record.about.taskId} do: rerun those`,
    );
  if (mayReopen(task))
    return {
      kind: 'task',
      task: taskTransition(record, 'reopen', {
        ...NOTHING_ASKED,
        ...noted,
        undo: undefined,
        rolledBack: undefined,
        result: undefined,
        cached: undefined,
        retries: 0,
        losses: 0,
        endedAt: undefined,
        failure: undefined,
        readyAt: undefined,
      }),
    };
  if (state !== 'ready' || !waitingFor)
    return refused(`task ${spec.id} is ${state}: there is nothing to retry`);
  return {kind: 'task', task: {...record, ...noted, ...goingOn(record)}};
}

/** `agentId`: the one that is to get it; else any but the one that has it. */
export function reassigned(task: TaskNode, agentId: string | undefined): Steered {
  const {record, spec, attempt} = task;
  if (isFinalTask(task))
    return refused(`task ${spec.id} is ${record.state}: there is nothing to reassign, but it can be retried`);
  if (record.recheck)
    return refused(
      `the gates of task ${spec.id} run again where its worktree is kept, on agent ${record.recheck.agentId}`,
    );
  if (attempt && !isWorking(attempt))
    return refused(
      `the work of task ${spec.id} is done and is being checked: rerun or waive its gates instead`,
    );
  if (!attempt && (task.missing > 0 || task.doomed > 0))
    return refused(`task ${spec.id} waits for the tasks that it depends on`);
  if (!attempt && agentId === undefined)
    return refused(`no agent has task ${spec.id}: name the one that is to get it`);
  const wished = {
    on: agentId,
    notOn: agentId === undefined ? attempt?.record.agentId : undefined,
    after: record.attempts,
  };
  return {kind: 'task', task: {...record, ...(attempt ? {} : goingOn(record)), wished}};
}

/** Only the gates again, in the worktree of the attempt that failed by them. `last` is the task's last attempt. */
export function rechecked(task: TaskNode, last: AttemptRecord | undefined): SteeredResult {
  const found = failedByGates(task, last);
  if (found.kind === 'refused') return found;
  const {attempt, result} = found;
  const recheck = {attemptId: attempt.recheckOf ?? attempt.id, agentId: attempt.agentId};
  const record = taskTransition(task.record, 'reopen', {
    ...NOTHING_ASKED,
    recheck,
    endedAt: undefined,
    failure: undefined,
    readyAt: undefined,
  });
  return {kind: 'task', task: record, result};
}

/** What the failed task's last attempt left counts. `gate` names the one that need not pass; else whatever has not passed. */
export function waived(
  task: TaskNode,
  last: AttemptRecord | undefined,
  gate: string | undefined,
  waiver: GateWaiver,
): SteeredResult {
  const found = failedByGates(task, last);
  if (found.kind === 'refused') return found;
  const known = task.record.gates ?? found.attempt.gates ?? [];
  const unfit = unfitGate(task, gate, known);
  if (unfit) return unfit;
  const gates = task.spec.gates.map(({name}) => {
    const run = known.find(one => one.gate === name);
    return run && counts(run) ? run : waivedEvidence(name, waiver, run);
  });
  const notRun = gates.filter(one => one.gate !== gate && one.waived === waiver).map(one => one.gate);
  if (gate !== undefined && notRun.length > 0)
    return refused(
      `behind gate "${gate}" of task ${task.spec.id} these have not passed either: ${notRun.join(', ')}. Name no gate to do without all of them`,
    );
  const record = taskTransition(task.record, 'waive', {
    result: found.result,
    gates: boundedEvidence(gates),
    failure: undefined,
    endedAt: waiver.at,
  });
  return {kind: 'task', task: record, result: found.result};
}

/** The present attempt, which is being verified, need not pass this gate, or any that has not passed yet. */
export function waivedAhead(task: TaskNode, gate: string | undefined, waiver: GateWaiver): Steered {
  const passed = task.attempt?.verification?.evidence ?? [];
  const unfit = unfitGate(task, gate, passed);
  if (unfit) return unfit;
  const before = task.record.waived ?? [];
  const names = task.spec.gates
    .map(({name}) => name)
    .filter(name => gate === undefined || name === gate)
    .filter(name => !passed.some(one => one.gate === name) && !before.some(one => one.gate === name));
  const added = names.map(name => ({gate: name, waiver}));
  return {kind: 'task', task: {...task.record, waived: [...before, ...added]}};
}

/** The attempt whose gates run now. */
export function verifyingAttempt(task: TaskNode): AttemptNode | undefined {
  return task.attempt?.record.state === 'verifying' ? task.attempt : undefined;
}

/** What the agent said that the attempt left. */
export function reportedResult({report}: AttemptRecord): TaskResult | undefined {
  return report?.outcome === 'succeeded' ? report.result : undefined;
}

function failedByGates(
  {record, spec}: TaskNode,
  attempt: AttemptRecord | undefined,
): {readonly kind: 'found'; readonly attempt: AttemptRecord; readonly result: TaskResult} | Refused {
  const result = attempt && reportedResult(attempt);
  if (record.state !== 'failed')
    return refused(`task ${spec.id} is ${record.state}: no gate of it has failed for good`);
  if (record.failure?.kind !== 'gate')
    return refused(`task ${spec.id} did not fail by a gate (${record.failure?.kind ?? 'unknown'}): retry it`);
  if (!attempt || !result)
    return refused(`what the last attempt of task ${spec.id} left is not known any more: retry it`);
  return {kind: 'found', attempt, result};
}

function unfitGate(
  {spec}: TaskNode,
  gate: string | undefined,
  known: readonly GateEvidence[],
): Refused | undefined {
  if (gate === undefined) return undefined;
  const names = spec.gates.map(({name}) => name);
  if (!names.includes(gate))
    return refused(`task ${spec.id} has no gate "${gate}"; its gates are ${names.join(', ')}`);
  if (known.some(one => one.gate === gate && counts(one)))
    return refused(`gate "${gate}" of task ${spec.id} has passed`);
  return undefined;
}

function counts({passed, waived: waiver}: GateEvidence): boolean {
  return passed || waiver !== undefined;
}

function isWorking({record}: AttemptNode): boolean {
  return record.state === 'assigned' || record.state === 'running';
}

/** A waiting task goes on now; one that waited for a person begins its losses anew. */
function goingOn({waitingFor, losses}: TaskRecord): Partial<TaskRecord> {
  return {
    notBefore: undefined,
    waitingFor: undefined,
    losses: waitingFor?.kind === 'person' ? 0 : losses,
  };
}

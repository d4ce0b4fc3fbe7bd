/** What must hold of a rollback, at its end and after what it undid was done again. */
import {RESULT_TASK_ID, type TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {attemptsOf} from './lives.ts';
import type {Outcome, RolledBack} from './outcome.ts';

const UNDO = '_undo-';

export function undoneOnce(outcome: Outcome): string[] {
  const {rollback} = outcome;
  if (!rollback) return [];
  return [...undoneAsMeant(rollback), ...inReverse(rollback), ...compensatedOnce(outcome, rollback)];
}

/** All that was done behind the point, and nothing else; and what was rolled back has no result. */
function undoneAsMeant({point, judge, state, isBehind, refs}: RolledBack): string[] {
  const faults: string[] = [];
  const {rollback} = state.session ?? {};
  if (rollback?.syncPoint !== point) faults.push(`the session went back to ${rollback?.syncPoint}`);
  for (const task of state.tasks.values()) {
    if (task.about) continue;
    const {id, state: is, rolledBack} = task;
    const wasDone = id === judge || acceptedIn(id, state).length > 0;
    const due = wasDone ? (isBehind(id) ? 'rolledBack' : 'succeeded') : 'cancelled';
    if (is !== due) faults.push(`${id} was ${is} after the rollback, and not ${due}`);
    if (rolledBack?.trouble !== undefined) faults.push(`${id} was undone, but ${rolledBack.trouble}`);
    if (is !== 'succeeded' && refs.includes(id)) faults.push(`${id} was ${is} and its result was there`);
  }
  if (refs.includes(RESULT_TASK_ID)) faults.push('there was a result after the rollback');
  return faults;
}

/** The last to end was undone first. */
function inReverse({state}: RolledBack): string[] {
  const undone = [...state.tasks.values()].filter(task => task.state === 'rolledBack').sort(byUndoing);
  return undone.flatMap((task, at) => {
    const before = undone[at - 1];
    return before && (before.endedAt ?? 0) < (task.endedAt ?? 0)
      ? [`${before.id} was undone before ${task.id}, which ended later`]
      : [];
  });
}

/** Each command took effect for one attempt, the next when that was accepted. */
function compensatedOnce({state, undoings = []}: Outcome, rollback: RolledBack): string[] {
  const faults: string[] = [];
  const undone = [...rollback.state.tasks.values()].filter(task => task.state === 'rolledBack');
  const due = undone.filter(({id}) => rollback.isCompensated(id)).sort(byUndoing);
  const expected: string[] = [];
  for (const {id} of due) {
    const accepted = acceptedIn(`${UNDO}${id}`, state);
    if (accepted.length !== 1) faults.push(`${id} was undone by ${accepted.length} accepted compensations`);
    expected.push(...accepted.map(attempt => attempt.id));
  }
  const names = new Set(due.map(({id}) => `${UNDO}${id}`));
  for (const {id, origin} of state.tasks.values())
    if (origin === 'undo' && !names.has(id)) faults.push(`${id} undid what was not to be undone`);
  const isAccepted = new Set(expected);
  const real = undoings.filter(id => isAccepted.has(id));
  if (real.join() !== expected.join())
    faults.push(`compensations ran as ${real.join(', ')}, and not as ${expected.join(', ')}`);
  for (const id of undoings)
    if (!state.attempts.has(id)) faults.push(`${id} undid something and is not known`);
  return faults;
}

function acceptedIn(taskId: string, {attempts}: RolledBack['state']) {
  return attemptsOf(taskId, attempts).filter(({outcome}) => outcome === 'succeeded');
}

function byUndoing(a: TaskRecord, b: TaskRecord): number {
  return (a.rolledBack?.at ?? 0) - (b.rolledBack?.at ?? 0);
}

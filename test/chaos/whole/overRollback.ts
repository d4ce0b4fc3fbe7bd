/** Follows a session to its end, over the rollback that its judge wants: what that left is written down, the judge is satisfied, and the session goes on. */
import {snapshotRows} from '../../../coordinator/commands/local/connect.ts';
import type {SessionRun, SessionState} from '../../support/sessionRun.ts';
import type {Ground} from '../ground.ts';
import type {RolledBack} from '../outcome.ts';
import {JUDGEMENT, POINT} from './wholePlan.ts';
import type {WholeTask} from './wholeTasks.ts';

/** Undefined where the plan has no judge. Rejects when the session does not go back though it has one. */
export async function overRollback(
  run: SessionRun,
  ground: Ground,
  tasks: readonly WholeTask[],
  timeoutMs: number,
): Promise<RolledBack | undefined> {
  const judge = tasks.find(({kind}) => kind === 'judged')?.id;
  const first = await run.ended(timeoutMs);
  if (judge === undefined) return undefined;
  if (first.state !== 'rolledBack') throw new Error(`it was not rolled back: ${run.describe()}`);
  const {state} = run;
  const seen = run.seen.length;
  const rows = await snapshotRows(run.client, {view: 'session', sessionId: run.id});
  const refs = rows.flatMap(row => (row.kind === 'ref' ? [row.ref.name] : []));
  ground.note('rolled back, and is resumed');
  ground.release(JUDGEMENT);
  await run.client.request(
    'mcpx.session.control',
    {sessionId: run.id, action: {kind: 'resume'}},
    {retry: true, timeoutMs},
  );
  await run.until(
    ({session}) => (session?.state === 'rolledBack' ? undefined : true),
    timeoutMs,
    'the session to go on',
  );
  await run.ended(timeoutMs);
  return {point: POINT, judge, state, seen, refs, ...scopeOf(tasks, state)};
}

/** A part is where the task is whose part it is. */
function scopeOf(
  tasks: readonly WholeTask[],
  state: SessionState,
): Pick<RolledBack, 'isBehind' | 'isCompensated'> {
  const ids = (isMeant: (task: WholeTask) => boolean) => new Set(tasks.filter(isMeant).map(({id}) => id));
  const behind = ids(({isBehind}) => isBehind);
  const compensated = ids(({compensates}) => compensates);
  // What was asked for at run time has no command of its own.
  const withParts = ids(({kind, compensates}) => compensates && kind !== 'delegating');
  const parentOf = (id: string): string | undefined => state.tasks.get(id)?.parentTaskId;
  return {
    isBehind: id => behind.has(parentOf(id) ?? id),
    isCompensated: id => compensated.has(id) || withParts.has(parentOf(id) ?? ''),
  };
}

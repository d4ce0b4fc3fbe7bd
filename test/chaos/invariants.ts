/** What must hold at the end of every run, whatever went wrong on its way. Each check tells every violation, so that one run shows all of them. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {snapshotRows} from '../../coordinator/commands/local/connect.ts';
import type {ViewSelector} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {Usage} from '../../coordinator/protocol/usage.ts';
import {canonicalJson, type JsonValue} from '../../coordinator/runtime/json.ts';
import type {Fleet} from '../support/fleet.ts';
import {FLEET_VARIABLE, processesWith} from '../support/machine.ts';
import type {SeenRow, SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';
import {GATED} from './chaosPlan.ts';
import type {Outcome} from './scenario.ts';

export interface Context {
  readonly fleet: Fleet;
  readonly run: SessionRun;
  readonly quiet: Outcome | undefined;
}

const GONE_TIMEOUT_MS = 10_000;
/** Sums of dollars in floating point. */
const CENT_FRACTION = 1e-9;

export async function findFaults(outcome: Outcome, context: Context): Promise<string[]> {
  return [
    ...faultsOfRecords(outcome, context.quiet ?? outcome),
    ...neverWentBack(context.run),
    ...(await noEffectOfStale(outcome, context)),
    ...(await nothingRuns(context)),
    ...(await survivesRestart(context)),
  ];
}

/** What the records, the logs of executions and the result alone tell. */
export function faultsOfRecords(outcome: Outcome, quiet: Outcome): string[] {
  return [
    ...endedWell(outcome),
    ...acceptedOnce(outcome),
    ...executedOnce(outcome),
    ...costsAddUp(outcome),
    ...costsWereIncurred(outcome, quiet),
    ...sameAsQuiet(outcome, quiet),
  ];
}

function endedWell({state}: Outcome): string[] {
  const faults: string[] = [];
  if (state.session?.state !== 'succeeded') faults.push(`the session is ${state.session?.state}`);
  for (const {id, state: is} of state.tasks.values()) if (is !== 'succeeded') faults.push(`${id} is ${is}`);
  return faults;
}

/** One accepted completion a task; what a fault spared has ended by itself; losses never count as retries. */
function acceptedOnce({state, spared}: Outcome): string[] {
  const faults: string[] = [];
  for (const task of state.tasks.values()) {
    const own = attemptsOf(task.id, state.attempts);
    const accepted = own.filter(attempt => attempt.outcome === 'succeeded');
    if (accepted.length !== 1) faults.push(`${task.id} has ${accepted.length} accepted completions`);
    if (own.length !== task.attempts)
      faults.push(`${task.id} counts ${task.attempts} of ${own.length} attempts`);
    const failed = own.filter(attempt => attempt.outcome === 'failed');
    for (const {id, failure} of failed)
      if (task.id !== GATED || failure?.kind !== 'gate') faults.push(`${id} failed: ${failure?.message}`);
    if (task.retries !== failed.length)
      faults.push(`${task.id} spent ${task.retries} retries on ${failed.length} failures`);
    const lost = own.filter(({outcome}) => outcome === 'lost' || outcome === 'stale').length;
    if (task.losses > lost) faults.push(`${task.id} counts ${task.losses} losses of ${lost}`);
  }
  for (const {id, state: is, outcome} of state.attempts.values()) {
    if (is !== 'ended') faults.push(`${id} is still ${is}`);
    if (spared.has(id) && outcome !== 'succeeded' && outcome !== 'failed')
      faults.push(`${id} was ${outcome}, though no fault hit its agent`);
  }
  return faults;
}

/** No attempt ran twice, none ran that nobody placed, and what was accepted ran to its end. */
function executedOnce({state, executions}: Outcome): string[] {
  const faults: string[] = [];
  for (const [taskId, lines] of executions) {
    const known = new Map(attemptsOf(taskId, state.attempts).map(attempt => [attempt.id, attempt]));
    const starts = lines.filter(({what}) => what === 'start').map(({attemptId}) => attemptId);
    for (const id of new Set(starts)) {
      const times = starts.filter(other => other === id).length;
      if (times > 1) faults.push(`${id} was executed ${times} times`);
      if (!known.has(id)) faults.push(`${id} was executed and is not known`);
    }
    for (const {id, outcome} of known.values()) {
      const ended = lines.some(({attemptId, what}) => attemptId === id && what === 'end');
      if (outcome === 'succeeded' && !ended) faults.push(`${id} was accepted and has not run to its end`);
    }
  }
  return faults;
}

function costsAddUp({state}: Outcome): string[] {
  const faults: string[] = [];
  let all = 0;
  for (const task of state.tasks.values()) {
    const spent = sum(attemptsOf(task.id, state.attempts).map(({usage}) => usage.costUsd));
    all += spent;
    if (!same(task.usage.costUsd, spent))
      faults.push(`${task.id} cost $${task.usage.costUsd}, its attempts $${spent}`);
  }
  const total = state.session?.spentUsd ?? Number.NaN;
  if (!same(total, all)) faults.push(`the session cost $${total}, its attempts $${all}`);
  return faults;
}

/** Never more than what the model answered; all of it for what was accepted. What an attempt spent in its last moment may die with it. */
function costsWereIncurred({state, answers}: Outcome, quiet: Outcome): string[] {
  const faults: string[] = [];
  // The script gives every answer the same tokens.
  const answerUsd = (quiet.state.session?.spentUsd ?? 0) / sum([...quiet.answers.values()]);
  for (const {id, usage, outcome} of state.attempts.values()) {
    const incurred = (answers.get(id) ?? 0) * answerUsd;
    const isRight =
      outcome === 'succeeded' ? same(usage.costUsd, incurred) : usage.costUsd < incurred + CENT_FRACTION;
    if (!isRight) faults.push(`${id} (${outcome}) cost $${usage.costUsd} for answers of $${incurred}`);
  }
  return faults;
}

/** What the client was told, in the order in which it was told. */
export function neverWentBack({seen, revisions}: Pick<SessionRun, 'seen' | 'revisions'>): string[] {
  const faults: string[] = [];
  revisions.reduce((before, revision) => {
    if (revision < before) faults.push(`revision ${revision} came after ${before}`);
    return revision;
  }, 0);
  const last = new Map<string, SeenRow['row']>();
  for (const {row} of seen) {
    const key = `${row.kind}/${row.id}`;
    const before = last.get(key);
    last.set(key, row);
    if (before?.kind === 'task' && row.kind === 'task' && before.task.state === 'succeeded') {
      const isSame = canonicalJson(asJson(before.task.result)) === canonicalJson(asJson(row.task.result));
      if (row.task.state !== 'succeeded')
        faults.push(`${row.task.id} succeeded and became ${row.task.state}`);
      else if (!isSame) faults.push(`the result of ${row.task.id} changed`);
    }
    if (before?.kind === 'attempt' && row.kind === 'attempt' && before.attempt.state === 'ended') {
      const {outcome} = row.attempt;
      const isStale = before.attempt.outcome === 'lost' && outcome === 'stale';
      if (outcome !== before.attempt.outcome && !isStale)
        faults.push(`${row.attempt.id} was ${before.attempt.outcome} and became ${outcome}`);
    }
  }
  return faults;
}

function sameAsQuiet({state, tree}: Outcome, quiet: Outcome): string[] {
  const faults: string[] = [];
  if (tree !== quiet.tree) faults.push(`the result is tree ${tree}, and ${quiet.tree} in a quiet run`);
  for (const task of state.tasks.values()) {
    const mine = acceptedUsage(task.id, state.attempts);
    const theirs = acceptedUsage(task.id, quiet.state.attempts);
    if (mine && theirs && !same(mine.costUsd, theirs.costUsd))
      faults.push(
        `the accepted attempt of ${task.id} cost $${mine.costUsd}, and $${theirs.costUsd} in a quiet run`,
      );
    const retries = quiet.state.tasks.get(task.id)?.retries ?? 0;
    if (task.retries > retries)
      faults.push(`${task.id} spent ${task.retries} retries, and ${retries} in a quiet run`);
  }
  return faults;
}

/** Neither memory nor any ref but that of unfinished work is written by an attempt that was not accepted. */
async function noEffectOfStale({state}: Outcome, {run}: Context): Promise<string[]> {
  const faults: string[] = [];
  const memory = await snapshotRows(run.client, {view: 'memory', sessionId: run.id});
  for (const row of memory) faults.push(`memory ${row.id} was written`);
  const accepted = new Set(
    [...state.attempts.values()].filter(({outcome}) => outcome === 'succeeded').map(({id}) => id),
  );
  const refs = (await snapshotRows(run.client, {view: 'session', sessionId: run.id})).flatMap(row =>
    row.kind === 'ref' ? [row.ref] : [],
  );
  for (const {name, attemptId} of refs)
    if (!accepted.has(attemptId) && !name.startsWith('wip/')) faults.push(`ref ${name} is of ${attemptId}`);
  return faults;
}

async function nothingRuns({fleet}: Context): Promise<string[]> {
  const running = () =>
    processesWith('MCPX_ATTEMPT_ID').filter(
      ({environment}) => environment.get(FLEET_VARIABLE) === fleet.folder,
    );
  const gone = () => (running().length === 0 ? true : undefined);
  try {
    await found(gone, GONE_TIMEOUT_MS, 'the processes of attempts to end');
    return [];
  } catch {
    return running().map(
      ({pid, command, environment}) =>
        `process ${pid} of ${environment.get('MCPX_ATTEMPT_ID')} is alive: ${command}`,
    );
  }
}

/** Nothing that clients were told is gone when the coordinator dies once more. */
async function survivesRestart({fleet, run}: Context): Promise<string[]> {
  const selector: ViewSelector = {view: 'session', sessionId: run.id};
  const before = await rowsOf(run.client, selector);
  await fleet.coordinator.kill();
  await fleet.startCoordinator();
  const client = await fleet.connect();
  const after = await rowsOf(client, selector);
  client.dispose();
  const faults: string[] = [];
  for (const [key, row] of before) if (after.get(key) !== row) faults.push(`${key} changed over a restart`);
  for (const key of after.keys()) if (!before.has(key)) faults.push(`${key} appeared over a restart`);
  return faults;
}

async function rowsOf(client: McpxClient, selector: ViewSelector): Promise<Map<string, string>> {
  const rows = await snapshotRows(client, selector);
  return new Map(rows.map(row => [`${row.kind}/${row.id}`, canonicalJson(asJson(row))]));
}

function attemptsOf(taskId: string, attempts: ReadonlyMap<string, AttemptRecord>): AttemptRecord[] {
  return [...attempts.values()].filter(attempt => attempt.taskId === taskId);
}

function acceptedUsage(taskId: string, attempts: ReadonlyMap<string, AttemptRecord>): Usage | undefined {
  return attemptsOf(taskId, attempts).find(({outcome}) => outcome === 'succeeded')?.usage;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function same(a: number, b: number): boolean {
  return Math.abs(a - b) < CENT_FRACTION;
}

function asJson(value: unknown): JsonValue {
  return JSON.parse(JSON.stringify(value ?? null)) as JsonValue;
}

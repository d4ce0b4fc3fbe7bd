/** What must hold at the end of every run, whatever went wrong on its way. Each check tells every violation, so that one run shows all of them. */
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {snapshotRows} from '../../coordinator/commands/local/connect.ts';
import type {ViewSelector} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {canonicalJson, type JsonValue} from '../../coordinator/runtime/json.ts';
import {FLEET_VARIABLE, processesWith} from '../support/machine.ts';
import type {SeenRow, SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';
import type {Execution} from './ground.ts';
import {attemptsOf, conversationOf, type Life, livesOf} from './lives.ts';
import type {Outcome, RolledBack} from './outcome.ts';
import {undoneOnce} from './undoneOnce.ts';

export interface Context {
  /** Of the fleet, which marks its processes. */
  readonly folder: string;
  readonly run: SessionRun;
  readonly quiet: Outcome | undefined;
  /** Kills and starts again what keeps the facts; resolves with a new client of it. */
  restart(): Promise<McpxClient>;
}

const GONE_TIMEOUT_MS = 10_000;
/** Sums of dollars in floating point. */
const CENT_FRACTION = 1e-9;

export async function findFaults(outcome: Outcome, context: Context): Promise<string[]> {
  return [
    ...faultsOfRecords(outcome, context.quiet ?? outcome),
    ...neverWentBack(context.run, outcome.rollback),
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
    ...undoneOnce(outcome),
    ...refusedWereStale(outcome),
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

/** One accepted completion a life of a task; what a fault spared has ended by itself; losses never count as retries. */
function acceptedOnce(outcome: Outcome): string[] {
  const {state, gated, rollback} = outcome;
  const faults: string[] = [];
  for (const task of state.tasks.values()) {
    const lives = livesOf(task, outcome);
    for (const life of lives) faults.push(...acceptedOnceIn(task, life, outcome));
    const own = attemptsOf(task.id, state.attempts);
    if (own.length !== task.attempts)
      faults.push(`${task.id} counts ${task.attempts} of ${own.length} attempts`);
    const failed = own.filter(attempt => attempt.outcome === 'failed');
    const mayFail = gated.has(task.id) || rollback?.judge === task.id;
    for (const {id, failure} of failed)
      if (!mayFail || failure?.kind !== 'gate') faults.push(`${id} failed: ${failure?.message}`);
    if (failed.length > 1) faults.push(`${task.id} failed ${failed.length} times by a gate that fails once`);
  }
  for (const {id, state: is} of state.attempts.values())
    if (is !== 'ended') faults.push(`${id} is still ${is}`);
  return [...faults, ...sparedEndedWell(outcome)];
}

function acceptedOnceIn(
  {id, origin}: TaskRecord,
  {record, attempts, isFirstOfTwo}: Life,
  {rollback}: Outcome,
): string[] {
  const faults: string[] = [];
  const accepted = attempts.filter(({outcome}) => outcome === 'succeeded').length;
  const isUndone = record.state === 'rolledBack' && rollback?.judge !== id;
  const due = isFirstOfTwo && !isUndone ? 0 : 1;
  // A review is done again for every attempt that it is about.
  if (origin === 'review' ? accepted === 0 : accepted !== due)
    faults.push(
      `${id} has ${accepted} accepted completions${isFirstOfTwo ? ` and was ${record.state} by the rollback` : ''}`,
    );
  const failed = attempts.filter(({outcome}) => outcome === 'failed').length;
  // What rolls back is not tried again.
  const retries = isFirstOfTwo && rollback?.judge === id ? 0 : failed;
  if (record.retries !== retries) faults.push(`${id} spent ${record.retries} retries on ${failed} failures`);
  const lost = attempts.filter(({outcome}) => outcome === 'lost' || outcome === 'stale').length;
  if (record.losses > lost) faults.push(`${id} counts ${record.losses} losses of ${lost}`);
  const own = new Set(attempts.map(attempt => attempt.id));
  for (const {id: attemptId, continued} of attempts)
    if (continued && !own.has(continued.attemptId))
      faults.push(`${attemptId} went on from ${continued.attemptId}, which is none of its life`);
  return faults;
}

/** Where no fault fell an attempt ends by itself, by the rollback, or once to make way for the parts of its task. */
function sparedEndedWell({state, spared, divided, rollback}: Outcome): string[] {
  const faults: string[] = [];
  const madeWay = new Set<string>();
  for (const {id, taskId, outcome, endedAt = 0} of state.attempts.values()) {
    if (!spared.has(id) || outcome === 'succeeded' || outcome === 'failed') continue;
    const isStopped = rollback && isWithin(endedAt, rollback.state.session);
    if (outcome === 'cancelled' && isStopped) continue;
    if (outcome === 'cancelled' && divided?.has(taskId) && !madeWay.has(taskId)) madeWay.add(taskId);
    else faults.push(`${id} was ${outcome}, though no fault hit its agent`);
  }
  return faults;
}

function isWithin(time: number, {rollback, endedAt = 0}: Partial<SessionRecord> = {}): boolean {
  return rollback !== undefined && time >= rollback.at && time <= endedAt;
}

/** A completion is either accepted or refused; every refusal is of an attempt that is known. */
function refusedWereStale({state}: Outcome): string[] {
  return state.refusals.flatMap(({attemptId, effect}) => {
    const attempt = state.attempts.get(attemptId);
    if (!attempt) return [`the ${effect} of ${attemptId} was refused, which is not known`];
    return effect === 'completion' && attempt.outcome === 'succeeded'
      ? [`the completion of ${attemptId} was refused and accepted`]
      : [];
  });
}

/** No attempt ran twice, none ran that nobody placed, and what was accepted ran from its beginning to its end, once in all that it went on from. */
function executedOnce({state, executions}: Outcome): string[] {
  const faults: string[] = [];
  for (const [taskId, lines] of executions) {
    const known = new Map(attemptsOf(taskId, state.attempts).map(attempt => [attempt.id, attempt]));
    const times = (id: string, what: Execution['what']): number =>
      lines.filter(line => line.attemptId === id && line.what === what).length;
    for (const id of new Set(lines.map(({attemptId}) => attemptId))) {
      const starts = times(id, 'start');
      if (starts > 1) faults.push(`${id} was executed ${starts} times`);
      if (!known.has(id)) faults.push(`${id} was executed and is not known`);
    }
    for (const attempt of known.values()) {
      const {id, outcome, continued} = attempt;
      if (continued && continued.calls > 0 && times(id, 'start') > 0)
        faults.push(`${id} began anew though it went on after call ${continued.calls}`);
      if (outcome !== 'succeeded') continue;
      const conversation = conversationOf(attempt, state.attempts).map(one => one.id);
      const ran = (what: Execution['what']): boolean => conversation.some(one => times(one, what) > 0);
      if (!ran('start')) faults.push(`${id} was accepted and has not begun`);
      if (!ran('end')) faults.push(`${id} was accepted and has not run to its end`);
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
  const answerUsd = answerUsdOf(quiet);
  for (const {id, usage, outcome} of state.attempts.values()) {
    const incurred = (answers.get(id) ?? 0) * answerUsd;
    const isRight =
      outcome === 'succeeded' ? same(usage.costUsd, incurred) : usage.costUsd < incurred + CENT_FRACTION;
    if (!isRight) faults.push(`${id} (${outcome}) cost $${usage.costUsd} for answers of $${incurred}`);
  }
  return faults;
}

/** The script gives every answer the same tokens. */
function answerUsdOf({state, answers}: Outcome): number {
  const accepted = [...state.attempts.values()].filter(({outcome}) => outcome === 'succeeded');
  const given = sum(accepted.map(({id}) => answers.get(id) ?? 0));
  return given === 0 ? 0 : sum(accepted.map(({usage}) => usage.costUsd)) / given;
}

/** What the client was told, in the order in which it was told. */
export function neverWentBack(
  {seen, revisions}: Pick<SessionRun, 'seen' | 'revisions'>,
  rollback?: Pick<RolledBack, 'seen' | 'isBehind' | 'state'>,
): string[] {
  const faults: string[] = [];
  revisions.reduce((before, revision) => {
    if (revision < before) faults.push(`revision ${revision} came after ${before}`);
    return revision;
  }, 0);
  const last = new Map<string, SeenRow['row']>();
  const undone = new Map(
    [...(rollback?.state.tasks ?? [])].flatMap(([id, {state}]) =>
      state === 'succeeded' ? [] : [[id, state]],
    ),
  );
  for (const [at, {row}] of seen.entries()) {
    const key = `${row.kind}/${row.id}`;
    const before = last.get(key);
    last.set(key, row);
    if (before?.kind === 'task' && row.kind === 'task') {
      const {task} = row;
      const isTakenUp =
        at >= (rollback?.seen ?? Number.POSITIVE_INFINITY) &&
        before.task.state === undone.get(task.id) &&
        before.task.state !== task.state;
      if (isTakenUp) undone.delete(task.id);
      else faults.push(...taskWentBack(before.task, task, at < (rollback?.seen ?? 0) ? rollback : undefined));
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

function taskWentBack(
  before: TaskRecord,
  now: TaskRecord,
  rollback: Pick<RolledBack, 'isBehind'> | undefined,
): string[] {
  if (before.state === 'rolledBack' && now.state !== 'rolledBack')
    return [`${now.id} was rolled back and became ${now.state}`];
  if (!isAccepted(before) || (now.state === 'rolledBack' && rollback?.isBehind(now.id))) return [];
  if (now.state !== 'succeeded') return [`${now.id} succeeded and became ${now.state}`];
  const isSame = canonicalJson(asJson(before.result)) === canonicalJson(asJson(now.result));
  return isSame ? [] : [`the result of ${now.id} changed`];
}

function isAccepted({state, origin}: TaskRecord): boolean {
  return state === 'succeeded' && origin !== 'review';
}

function sameAsQuiet({state, tree}: Outcome, quiet: Outcome): string[] {
  const faults: string[] = [];
  if (tree !== quiet.tree) faults.push(`the result is tree ${tree}, and ${quiet.tree} in a quiet run`);
  const answerUsd = answerUsdOf(quiet);
  // Every answer but the last of a conversation has one call: what was gone on with has had as many answers as calls.
  const whole = ({usage, continued}: AttemptRecord): number =>
    usage.costUsd + (continued?.calls ?? 0) * answerUsd;
  for (const task of state.tasks.values()) {
    const [quietly] = acceptedOf(task.id, quiet.state.attempts);
    if (!quietly) continue;
    const due = whole(quietly);
    for (const attempt of acceptedOf(task.id, state.attempts)) {
      const cost = whole(attempt);
      if (!same(cost, due))
        faults.push(`${attempt.id} cost $${cost} with what it went on from, and $${due} in a quiet run`);
    }
  }
  return faults;
}

/** Neither memory nor any ref but that of unfinished work is written by an attempt that was not accepted. */
async function noEffectOfStale(outcome: Outcome, {run}: Context): Promise<string[]> {
  const faults: string[] = [];
  const memory = await snapshotRows(run.client, {view: 'memory', sessionId: run.id});
  for (const row of memory) faults.push(`memory ${row.id} was written`);
  const accepted = new Set(
    [...outcome.state.tasks.values()].flatMap(task =>
      (livesOf(task, outcome).at(-1)?.attempts ?? []).flatMap(attempt =>
        attempt.outcome === 'succeeded' ? [attempt.id] : [],
      ),
    ),
  );
  const refs = (await snapshotRows(run.client, {view: 'session', sessionId: run.id})).flatMap(row =>
    row.kind === 'ref' ? [row.ref] : [],
  );
  for (const {name, attemptId} of refs)
    if (!accepted.has(attemptId) && !name.startsWith('wip/')) faults.push(`ref ${name} is of ${attemptId}`);
  return faults;
}

async function nothingRuns({folder}: Context): Promise<string[]> {
  const running = () =>
    processesWith('MCPX_ATTEMPT_ID').filter(({environment}) => environment.get(FLEET_VARIABLE) === folder);
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

/** Nothing that clients were told is gone when the coordinators die once more. */
async function survivesRestart({run, restart}: Context): Promise<string[]> {
  const selector: ViewSelector = {view: 'session', sessionId: run.id};
  const before = await rowsOf(run.client, selector);
  const client = await restart();
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

function acceptedOf(taskId: string, attempts: ReadonlyMap<string, AttemptRecord>): AttemptRecord[] {
  return attemptsOf(taskId, attempts).filter(({outcome}) => outcome === 'succeeded');
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

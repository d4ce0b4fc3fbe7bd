/** The verdict on a run: the checker's of the simulation, and what only runs of real members can be asked. Pure. */
import type {StoreEvent, Txn} from '../../../coordinator/store/store.ts';
import {checkHistory} from '../../simulation/checker/checkHistory.ts';
import {type HistoryEvent, operationsOf} from '../../simulation/checker/history.ts';
import type {Findings} from './cluster.ts';
import type {Change} from './memberDump.ts';

export interface Verdict {
  /** Undefined when all is well. */
  readonly failure: string | undefined;
  readonly undecided: boolean;
  readonly steps: number;
}

/** How much faster than the recorder's clock a member's may run, as a part of a lease's time. */
const CLOCK_DRIFT = 0.03;
const MAX_CHECK_STEPS = 500_000;

export function judge({hashes, changes, history}: Findings): Verdict {
  const failed = (failure: string): Verdict => ({failure, undecided: false, steps: 0});
  const [[first, truth] = ['', []]] = changes;
  const different = [...changes].find(([, other]) => JSON.stringify(other) !== JSON.stringify(truth));
  if (different)
    return failed(
      `${first} and ${different[0]} tell different histories: ${difference(truth, different[1])}`,
    );
  if (new Set(hashes.values()).size !== 1)
    return failed(`the members' states differ: ${JSON.stringify([...hashes])}`);
  const lost = lostWrite(history, truth) ?? wrongWatcher(history, truth);
  if (lost !== undefined) return failed(lost);
  const verdict = checkHistory(history, {clockDrift: CLOCK_DRIFT, maxSteps: MAX_CHECK_STEPS});
  if (verdict.kind === 'wrong') return failed(verdict.why);
  return {failure: undefined, undecided: verdict.kind === 'undecided', steps: verdict.steps};
}

/** An acknowledged write that the members do not have at the revision that its client was told. */
function lostWrite(history: readonly HistoryEvent[], truth: readonly Change[]): string | undefined {
  const made = new Map(truth.map(({revision, events}) => [revision, events]));
  for (const {id, process, input, output} of operationsOf(history)) {
    if (input.kind !== 'txn' || output?.kind !== 'txn') continue;
    const {result} = output;
    const puts = branch(input.txn, result.succeeded).flatMap(op => (op.kind === 'put' ? [op] : []));
    const missing = puts.find(
      ({key, value}) => !made.get(result.revision)?.some(event => isPut(event, key, value)),
    );
    if (missing)
      return `an acknowledged write is lost: ${process} #${id} put ${JSON.stringify(missing.value)} at ${missing.key} in revision ${result.revision}, where the members have ${JSON.stringify(made.get(result.revision) ?? 'nothing')}`;
  }
  return undefined;
}

function branch(txn: Txn, succeeded: boolean): Txn['then'] {
  return succeeded ? txn.then : (txn.else ?? []);
}

function isPut({kind, key, kv}: StoreEvent, wanted: string, value: string): boolean {
  return kind === 'put' && key === wanted && kv.value === value;
}

/** Every watcher must have been given all revisions that touch its prefix, in order, once, over all its subscriptions. */
function wrongWatcher(history: readonly HistoryEvent[], truth: readonly Change[]): string | undefined {
  const given = new Map<string, {prefix: string; revisions: number[]}>();
  for (const event of history) {
    if (event.type === 'compacted')
      return `watcher ${event.watcher} was told of a compaction that nobody made`;
    if (event.type === 'watch' && !given.has(event.watcher))
      given.set(event.watcher, {prefix: event.prefix, revisions: []});
    if (event.type === 'events') given.get(event.watcher)?.revisions.push(event.revision);
  }
  for (const [watcher, {prefix, revisions}] of given) {
    const wanted = truth.filter(({events}) => events.some(({key}) => key.startsWith(prefix)));
    const at = wanted.findIndex(({revision}, index) => revision !== revisions[index]);
    if (at >= 0 || revisions.length !== wanted.length)
      return `watcher ${watcher} was given revision ${revisions[at] ?? 'none'} where ${wanted[at]?.revision ?? 'none'} was due`;
  }
  return undefined;
}

function difference(one: readonly Change[], other: readonly Change[]): string {
  const at = one.findIndex((change, index) => JSON.stringify(change) !== JSON.stringify(other[index]));
  const index = at < 0 ? one.length : at;
  return `${JSON.stringify(one[index] ?? 'nothing')} and ${JSON.stringify(other[index] ?? 'nothing')}`;
}

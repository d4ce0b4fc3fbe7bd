/** All that a recorded history can be asked: linearizable operations, leases that keep their time, watches that tell the same story. */
import {explain, type Words} from './explain.ts';
import {type HistoryEvent, operationsOf, type TimedOperation} from './history.ts';
import {checkLeases, type LeaseCheckOptions} from './leaseCheck.ts';
import {linearize} from './linearize.ts';
import {
  expirationsOf,
  type ModelInput,
  type ModelOperation,
  type ModelOutput,
  type StoreState,
  storeModel,
} from './storeModel.ts';
import {checkWatches, type Evidence, showingsOf, withEvidence} from './watchCheck.ts';

export type HistoryVerdict =
  | {readonly kind: 'correct'; readonly operations: number; readonly unknown: number; readonly steps: number}
  | {readonly kind: 'wrong'; readonly why: string}
  | {readonly kind: 'undecided'; readonly steps: number};

export interface HistoryCheckOptions extends LeaseCheckOptions {
  /** Steps of the model that the search may take. */
  readonly maxSteps?: number;
}

export function checkHistory(
  history: readonly HistoryEvent[],
  options: HistoryCheckOptions = {},
): HistoryVerdict {
  const operations = operationsOf(history);
  const leases = checkLeases(operations, history, options);
  if (leases !== undefined) return {kind: 'wrong', why: leases};
  const watches = checkWatches(history);
  if (watches.kind === 'wrong') return watches;
  const {evidence} = watches;
  const all = [
    ...operations.filter(mayMatter),
    ...expirationsOf(operations).filter(mayHaveEnded(operations, history, evidence)),
    ...showingsOf(history),
  ];
  const verdict = linearize(withEvidence(storeModel, evidence), all, options.maxSteps);
  if (verdict.kind === 'undecided') return {kind: 'undecided', steps: verdict.steps};
  if (verdict.kind === 'violation') return {kind: 'wrong', why: tell(all, evidence, options)};
  const unknown = operations.filter(({output}) => output === undefined).length;
  return {kind: 'correct', operations: operations.length, unknown, steps: verdict.steps};
}

/**
 * Where every revision was watched, a lease whose end nobody saw need not have ended: it took no key along, and no answer depends on it. Left in,
 * each such lease would double what is to be searched before a history can be called wrong.
 */
function mayHaveEnded(
  operations: readonly TimedOperation[],
  history: readonly HistoryEvent[],
  evidence: Evidence,
): (expiration: ModelOperation) => boolean {
  const last = lastRevision(evidence);
  if (!evidence.coverage.some(({prefix, from, to}) => prefix === '' && from <= 1 && to >= last))
    return () => true;
  const ended = new Set<string | undefined>();
  for (const {input, output} of operations) {
    if (input.kind === 'keepAlive' && output?.kind === 'alive' && !output.alive) ended.add(input.lease);
    if (input.kind === 'txn' && output?.kind === 'noLease')
      for (const op of [...input.txn.then, ...(input.txn.else ?? [])])
        if (op.kind === 'put') ended.add(op.lease);
  }
  for (const event of history)
    if (event.type === 'events')
      for (const {kind, previous} of event.events) if (kind === 'delete') ended.add(previous?.lease);
  return ({input}) => input.kind !== 'expire' || ended.has(input.lease);
}

/** Reads that nobody saw the answer of, and leases that nobody knows, explain nothing. */
function mayMatter({input, output}: TimedOperation): boolean {
  if (output !== undefined || input.kind === 'revokeLease') return true;
  return input.kind === 'txn' && [...input.txn.then, ...(input.txn.else ?? [])].some(writes);
}

function writes({kind}: {kind: string}): boolean {
  return kind !== 'get' && kind !== 'range';
}

/** Blames the operations alone when they fail alone, else the first revision of which watchers or local readers tell another story. */
function tell(all: readonly ModelOperation[], evidence: Evidence, {maxSteps}: HistoryCheckOptions): string {
  if (linearize(storeModel, all, maxSteps).kind === 'violation')
    return `not linearizable: ${explain(storeModel, all, WORDS, maxSteps)?.text ?? 'no order explains it'}`;
  let low = 0;
  let high = lastRevision(evidence);
  while (low < high) {
    const middle = (low + high) >> 1;
    const {kind} = linearize(withEvidence(storeModel, evidence, middle), all, maxSteps);
    if (kind === 'violation') high = middle;
    else low = middle + 1;
  }
  const held = withEvidence(storeModel, evidence, high);
  const witnesses = evidence.coverage
    .filter(({from, to}) => from <= high && high <= to)
    .map(({watcher, seen}) => `    watcher ${watcher}: ${JSON.stringify(seen.get(high) ?? 'nothing')}`);
  const states = (evidence.states.get(high) ?? []).map(kvs => `    a local read: ${JSON.stringify(kvs)}`);
  return [
    `the operations alone are linearizable, but not with what was seen of revision ${high}:`,
    ...witnesses,
    ...states,
    explain(held, all, WORDS, maxSteps)?.text ?? 'no order explains it',
  ].join('\n');
}

function lastRevision({coverage, states}: Evidence): number {
  return Math.max(0, ...coverage.map(({to}) => to), ...states.keys());
}

const WORDS: Words<StoreState, ModelInput, ModelOutput> = {
  operation: ({id, process, input, output}) =>
    `${process} #${id} ${JSON.stringify(input)} -> ${output ? JSON.stringify(output) : 'unknown'}`,
  state: ({revision, keys, leases}) =>
    `revision ${revision}, ${JSON.stringify([...keys.values()])}, leases ${JSON.stringify([...leases])}`,
};

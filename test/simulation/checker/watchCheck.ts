/**
 * Watches: every watcher gets each revision that touches its prefix, whole, in order, once, also across a resumption. What order alone shows is
 * checked here; that the events are those of the committed history is shown by handing them to the linearizability search as evidence.
 */
import type {KeyValue, StoreEvent} from '../../../coordinator/store/store.ts';
import type {HistoryEvent} from './history.ts';
import type {SequentialModel} from './linearize.ts';
import {
  type ModelInput,
  type ModelOperation,
  type ModelOutput,
  type StoreState,
  sameKv,
} from './storeModel.ts';

/** A stretch of revisions that a watcher was given without a gap. */
export interface Coverage {
  readonly watcher: string;
  readonly prefix: string;
  readonly from: number;
  to: number;
  readonly seen: Map<number, readonly StoreEvent[]>;
}

export interface Evidence {
  readonly coverage: readonly Coverage[];
  /** What a node said its state was at a revision. */
  readonly states: ReadonlyMap<number, readonly (readonly KeyValue[])[]>;
}

export type WatchVerdict =
  | {readonly kind: 'ordered'; readonly evidence: Evidence}
  | {readonly kind: 'wrong'; readonly why: string};

export function checkWatches(history: readonly HistoryEvent[]): WatchVerdict {
  const coverage: Coverage[] = [];
  const current = new Map<string, Coverage>();
  const states = new Map<number, (readonly KeyValue[])[]>();
  for (const event of history) {
    if (event.type === 'watch') {
      const began = begin(current.get(event.watcher), event);
      if (typeof began === 'string') return {kind: 'wrong', why: began};
      if (began) {
        current.set(event.watcher, began);
        coverage.push(began);
      }
    } else if (event.type === 'events') {
      const why = deliver(current.get(event.watcher), event);
      if (why !== undefined) return {kind: 'wrong', why};
    } else if (event.type === 'compacted') {
      const why = compacted(current.get(event.watcher), event);
      if (why !== undefined) return {kind: 'wrong', why};
      current.delete(event.watcher);
    } else if (event.type === 'local') {
      const known = states.get(event.revision) ?? [];
      states.set(event.revision, [...known, event.kvs]);
    }
  }
  return {kind: 'ordered', evidence: {coverage, states}};
}

function begin(
  before: Coverage | undefined,
  {watcher, prefix, from}: {watcher: string; prefix: string; from: number},
): Coverage | string | undefined {
  if (!before) return {watcher, prefix, from, to: from - 1, seen: new Map()};
  // The recorder's client resumes behind the last revision that it was given.
  return from === before.to + 1
    ? undefined
    : `watcher ${watcher} resumed from revision ${from} although it had been given everything up to ${before.to}`;
}

function deliver(
  coverage: Coverage | undefined,
  event: {watcher: string; revision: number; events: readonly StoreEvent[]},
): string | undefined {
  const {watcher, revision, events} = event;
  if (!coverage) return `watcher ${watcher} was given revision ${revision} without watching`;
  const {to, from, prefix, seen} = coverage;
  if (seen.has(revision)) return `watcher ${watcher} was given revision ${revision} twice`;
  if (revision < from)
    return `watcher ${watcher} was given revision ${revision}, but wanted those from ${from} on`;
  if (revision <= to) return `watcher ${watcher} was given revision ${revision} after revision ${to}`;
  if (events.length === 0) return `watcher ${watcher} was given revision ${revision} without an event`;
  const stray = events.find(({key}) => !key.startsWith(prefix));
  if (stray) return `watcher ${watcher} of ${JSON.stringify(prefix)} was given key ${stray.key}`;
  const odd = events.find(({kv}) => kv.modRevision !== revision);
  if (odd)
    return `watcher ${watcher} was given key ${odd.key} of revision ${odd.kv.modRevision} in revision ${revision}`;
  seen.set(revision, events);
  coverage.to = revision;
  return undefined;
}

function compacted(
  coverage: Coverage | undefined,
  {watcher, revision}: {watcher: string; revision: number},
): string | undefined {
  if (!coverage) return `watcher ${watcher} was told of a compaction without watching`;
  return revision >= coverage.to + 1
    ? undefined
    : `watcher ${watcher} at revision ${coverage.to} was told that ${revision} is compacted, which it did not need`;
}

/** When a revision was first shown to a watcher or a local reader, as reads of their own: by then some operation has made it. */
export function showingsOf(history: readonly HistoryEvent[]): ModelOperation[] {
  let newest = 0;
  return history.flatMap((event, line): ModelOperation[] => {
    if ((event.type !== 'events' && event.type !== 'local') || event.revision <= newest) return [];
    newest = event.revision;
    const process = event.type === 'events' ? event.watcher : event.process;
    const input = {kind: 'shown', revision: newest} as const;
    return [{id: line, process, input, output: {kind: 'shown'}, call: line - 0.25, end: line}];
  });
}

/** The model, held to what watchers and local readers saw of the revisions up to `upTo`. */
export function withEvidence(
  model: SequentialModel<StoreState, ModelInput, ModelOutput>,
  evidence: Evidence,
  upTo = Number.POSITIVE_INFINITY,
): SequentialModel<StoreState, ModelInput, ModelOutput> {
  return {
    ...model,
    step(state, input, output) {
      const next = model.step(state, input, output);
      if (!next || next.revision === state.revision || next.revision > upTo) return next;
      return mismatch(evidence, state, next) === undefined ? next : undefined;
    },
  };
}

/** What the evidence has against this step, if anything. */
export function mismatch(evidence: Evidence, before: StoreState, after: StoreState): string | undefined {
  const {revision} = after;
  for (const {watcher, prefix, from, to, seen} of evidence.coverage) {
    if (revision < from || revision > to) continue;
    const changed = changedKeys(before, after).filter(key => key.startsWith(prefix));
    const events = seen.get(revision) ?? [];
    if (changed.length !== events.length)
      return `watcher ${watcher} saw ${events.length} of ${changed.length} changes of revision ${revision}`;
    for (const {key, kind, kv, previous} of events) {
      const expected = after.keys.get(key);
      const same = kind === 'put' ? sameKv(kv, expected) : expected === undefined;
      if (!changed.includes(key) || !same || !sameKv(previous, before.keys.get(key)))
        return `watcher ${watcher} saw another change of ${key} in revision ${revision}`;
    }
  }
  for (const kvs of evidence.states.get(revision) ?? [])
    if (kvs.length !== after.keys.size || kvs.some(kv => !sameKv(kv, after.keys.get(kv.key))))
      return `a node showed another state at revision ${revision}`;
  return undefined;
}

function changedKeys(before: StoreState, after: StoreState): string[] {
  const keys = new Set([...before.keys.keys(), ...after.keys.keys()]);
  return [...keys].filter(key => !sameKv(before.keys.get(key), after.keys.get(key)));
}

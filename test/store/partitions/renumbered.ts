/**
 * A recorded history with revisions that count only what the clients did. On an etcd the driver's own heartbeats spend revisions too, at moments
 * that nobody can foretell, while the checker's model counts every one. Pure.
 */
import {unreachable} from '../../../coordinator/runtime/assert.ts';
import type {Compare, KeyValue, Txn, TxnResult} from '../../../coordinator/store/store.ts';
import type {HistoryEvent} from '../../simulation/checker/history.ts';
import type {StoreInput, StoreOutput} from '../../simulation/checker/storeModel.ts';
import type {Change} from './memberDump.ts';

export interface Numbering {
  /** How many of the clients' revisions there are up to this one. */
  rank(revision: number): number;
  change(change: Change): Change;
}

/** `revisions`: the clients' own, ascending. */
export function numberedBy(revisions: readonly number[]): Numbering {
  const rank = (revision: number): number => {
    let [low, high] = [0, revisions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((revisions[middle] ?? Number.POSITIVE_INFINITY) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    rank,
    change: ({revision, events}) => ({
      revision: rank(revision),
      events: events.map(event => ({
        ...event,
        kv: keyValue(event.kv, rank),
        previous: event.previous && keyValue(event.previous, rank),
      })),
    }),
  };
}

export function renumbered(history: readonly HistoryEvent[], numbering: Numbering): HistoryEvent[] {
  return history.map(event => renumberedEvent(event, numbering));
}

function renumberedEvent(event: HistoryEvent, {rank, change}: Numbering): HistoryEvent {
  switch (event.type) {
    case 'call':
      return {...event, input: inputOf(event.input, rank)};
    case 'answer':
      return {...event, output: outputOf(event.output, rank)};
    case 'watch':
      return {...event, from: rank(event.from - 1) + 1};
    case 'events': {
      const {revision, events} = change(event);
      return {...event, revision, events: [...events]};
    }
    case 'local':
      return {...event, revision: rank(event.revision), kvs: event.kvs.map(kv => keyValue(kv, rank))};
    case 'compacted':
      return {...event, revision: rank(event.revision)};
    case 'refused':
      return event;
    default:
      return unreachable(event);
  }
}

type Rank = Numbering['rank'];

function inputOf(input: StoreInput, rank: Rank): StoreInput {
  if (input.kind !== 'txn') return input;
  const {txn} = input;
  return {kind: 'txn', txn: {...txn, compare: txn.compare?.map(compare => compareOf(compare, rank))} as Txn};
}

function compareOf(compare: Compare, rank: Rank): Compare {
  return compare.target === 'create' || compare.target === 'mod'
    ? {...compare, operand: rank(compare.operand)}
    : compare;
}

function outputOf(output: StoreOutput, rank: Rank): StoreOutput {
  if (output.kind === 'got') return {kind: 'got', kv: output.kv && keyValue(output.kv, rank)};
  return output.kind === 'txn' ? {kind: 'txn', result: resultOf(output.result, rank)} : output;
}

function resultOf({succeeded, revision, responses}: TxnResult, rank: Rank): TxnResult {
  return {
    succeeded,
    revision: rank(revision),
    responses: responses.map(response =>
      response.kind === 'range' ? {kind: 'range', kvs: response.kvs.map(kv => keyValue(kv, rank))} : response,
    ),
  };
}

/** A deleted key's `createRevision` is 0 where nothing tells it. */
function keyValue(kv: KeyValue, rank: Rank): KeyValue {
  return {...kv, createRevision: rank(kv.createRevision), modRevision: rank(kv.modRevision)};
}

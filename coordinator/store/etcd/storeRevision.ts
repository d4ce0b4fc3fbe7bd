/** What a revision of an etcd means to the store whose keys are in it. Pure. */
import type {IEvent} from 'etcd3';
import type {RevisionEvents} from '../revisionLog.ts';
import type {StoreEvent} from '../store.ts';
import type {KeySpace} from './keySpace.ts';
import {keyValueOf} from './records.ts';
import type {RawRevision} from './revisionAssembler.ts';

export type StoreRevision =
  | {
      readonly kind: 'whole';
      /** Without events when only the driver's own keys changed. */
      readonly changes: RevisionEvents;
      /** Events of the driver's own keys. */
      readonly own: readonly IEvent[];
    }
  /** A compaction has taken what a key was before, which every event carries. */
  | {readonly kind: 'compacted'};

export function storeRevision(raw: RawRevision, space: KeySpace): StoreRevision {
  const events: StoreEvent[] = [];
  const own: IEvent[] = [];
  for (const event of raw.events) {
    const key = space.nameOf(event.kv.key);
    if (key === undefined) {
      own.push(event);
      continue;
    }
    const previous = event.prev_kv ? keyValueOf(event.prev_kv, key) : undefined;
    const isNew = event.type === 'Put' && event.kv.version === '1';
    if (!isNew && !previous) return {kind: 'compacted'};
    const kv = keyValueOf(event.kv, key);
    events.push(
      event.type === 'Put'
        ? {kind: 'put', key, kv, previous}
        : {kind: 'delete', key, kv: {...kv, value: ''}, previous},
    );
  }
  return {kind: 'whole', changes: {kind: 'events', revision: raw.revision, events}, own};
}

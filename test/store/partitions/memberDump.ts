/** All that a member knows up to a revision, for comparing it with the others. */
import {createHash} from 'node:crypto';
import type {KeyValue, Store, StoreEvent} from '../../../coordinator/store/store.ts';

export interface Change {
  readonly revision: number;
  readonly events: readonly StoreEvent[];
}

export interface MemberDump {
  /** Of the state at that revision, as this member has it. */
  readonly hash: string;
  /** Every revision up to there. */
  readonly changes: readonly Change[];
}

/** Resolves once the member has applied `revision`. Its own word: nobody else is asked. */
export async function dumpOf(store: Store, revision: number): Promise<MemberDump> {
  const changes = await changesUpTo(store, revision);
  const {kvs} = await store.range('', {consistency: 'local', atRevision: revision});
  return {hash: hashOf(kvs), changes};
}

export function hashOf(kvs: readonly KeyValue[]): string {
  const rows = kvs.map(({key, value, createRevision, modRevision, version, lease}) =>
    JSON.stringify([key, value, createRevision, modRevision, version, lease ?? '']),
  );
  return createHash('sha256').update(rows.join('\n')).digest('hex');
}

function changesUpTo(store: Store, last: number): Promise<Change[]> {
  return new Promise((resolve, reject) => {
    const changes: Change[] = [];
    const watch = store.watch('', {fromRevision: 1}, message => {
      if (message.kind !== 'events') {
        reject(new Error(`the history of a member ended with ${message.kind}`));
        return;
      }
      const {revision, events} = message;
      if (revision <= last) changes.push({revision, events});
      if (revision < last) return;
      // A watch may tell before it has been returned.
      setImmediate(() => watch.dispose());
      resolve(changes);
    });
  });
}

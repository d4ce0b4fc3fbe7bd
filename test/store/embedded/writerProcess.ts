/** A process that writes to a store until it is killed, and prints what was acknowledged. Arguments: directory, way of flushing. */
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {Store} from '../../../coordinator/store/store.ts';

const WRITERS = 8;

/** Counts a key of its own up, with a copy in the same transaction. */
async function write(store: Store, writer: number): Promise<never> {
  const key = `w/${writer}`;
  for (let n = Number((await store.get(key))?.value ?? 0) + 1; ; n++) {
    const value = String(n);
    await store.txn({
      then: [
        {kind: 'put', key, value},
        {kind: 'put', key: `${key}/copy`, value},
      ],
    });
    // What waits in this process dies with it, and then more is found than was heard of.
    await new Promise<unknown>(resolve => process.stdout.write(`${writer} ${n}\n`, resolve));
  }
}

async function main(directory: string, sync: string): Promise<void> {
  const store = await openEmbeddedStore({
    directory,
    clock: systemClock,
    random: systemRandom,
    settings: {
      sync: sync === 'fdatasync' ? 'fdatasync' : 'auto',
      segmentBytes: 128 * 1024,
      firstSegmentBytes: 64 * 1024,
      snapshotEntries: 200,
      snapshotLogBytes: 1,
    },
  });
  await Promise.all(Array.from({length: WRITERS}, (_, writer) => write(store, writer)));
}

await main(process.argv[2] ?? '', process.argv[3] ?? 'auto');

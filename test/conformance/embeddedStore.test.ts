/** The embedded store keeps the contract, with either way of making an append durable. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {ManualClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {
  type EmbeddedStoreOptions,
  openEmbeddedStore,
} from '../../coordinator/store/embedded/embeddedStore.ts';
import type {StoreUnderTest} from './contractSupport.ts';
import {describeStoreContract} from './storeContract.ts';

async function openOne(sync: 'auto' | 'fdatasync'): Promise<StoreUnderTest> {
  const directory = await mkdtemp(path.join(tmpdir(), 'mcpx-store-'));
  const clock = new ManualClock();
  const options: EmbeddedStoreOptions = {
    directory,
    clock,
    random: systemRandom,
    settings: {
      sync,
      segmentBytes: 256 * 1024,
      firstSegmentBytes: 64 * 1024,
      snapshotEntries: 3,
      snapshotLogBytes: 1,
    },
  };
  let current = await openEmbeddedStore(options);
  return {
    store: current,
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 250) {
        clock.advance(250);
        await new Promise<void>(resolve => setImmediate(resolve));
      }
      // What a tick proposed is behind this in the log.
      await current.grantLease(60);
    },
    async reopen() {
      await current.close();
      current = await openEmbeddedStore(options);
      return current;
    },
    async dispose() {
      await current.close();
      await rm(directory, {recursive: true, force: true});
    },
  };
}

describeStoreContract('embedded, one node, O_DSYNC', () => openOne('auto'));
describeStoreContract('embedded, one node, fdatasync', () => openOne('fdatasync'));

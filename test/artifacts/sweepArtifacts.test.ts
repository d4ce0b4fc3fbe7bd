/** Blobs that no record names go; whatever may still be named stays. */
import assert from 'node:assert/strict';
import {utimes} from 'node:fs/promises';
import path from 'node:path';
import {ArtifactStore} from '../../coordinator/artifacts/artifactStore.ts';
import {sweepArtifacts} from '../../coordinator/artifacts/sweepArtifacts.ts';
import {blobsOf} from '../../coordinator/artifacts/textArtifacts.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import type {KeyValue} from '../../coordinator/store/store.ts';
import {temporaryFolder} from './artifactHub.ts';

describe('sweeping artifacts', () => {
  let folder: string;
  let store: ArtifactStore;
  beforeEach(async () => {
    folder = await temporaryFolder();
    store = await ArtifactStore.open({
      folder,
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
      limits: {reserveBytes: 0},
    });
  });

  const put = async (text: string): Promise<string> =>
    (await store.tenant('t').put(Buffer.from(text))).sha256;
  const age = (sha: string): Promise<void> =>
    utimes(path.join(folder, 't', 'blobs', sha.slice(0, 2), sha), 1, 1);
  const sweep = (values: readonly string[]) => {
    const kvs = values.map(
      (value, index): KeyValue => ({key: `k${index}`, value, createRevision: 1, modRevision: 1, version: 1}),
    );
    const blobs = store.tenant('t');
    return sweepArtifacts(blobs, {
      records: (async function* () {
        yield* kvs;
      })(),
      before: Date.now() - 1000,
      read: blobsOf(blobs).find,
    });
  };

  it('deletes old blobs that nothing names, and keeps those that a record or a list of bundles names', async () => {
    const [named, orphan] = [await put('named'), await put('orphan')];
    const listed = await put('listed');
    const list = await put(JSON.stringify([{sha256: listed}]));
    for (const sha of [named, orphan, listed, list]) await age(sha);
    assert.deepEqual(await sweep([`{"plan":"${named}"}`, `{"result":{"bundleList":"${list}"}}`]), {
      deleted: 1,
      bytes: 6,
    });
    const blobs = store.tenant('t');
    assert.deepEqual(await Promise.all([named, orphan, listed, list].map(sha => blobs.has(sha))), [
      true,
      false,
      true,
      true,
    ]);
  });

  it('keeps what is young, and what somebody is about to name again', async () => {
    const young = await put('young');
    const again = await put('again');
    await age(again);
    await put('again');
    const offered = await put('offered');
    await age(offered);
    await store.tenant('t').uploads.state({sha256: offered, uploader: 'u', bytes: 7});
    assert.deepEqual(await sweep([]), {deleted: 0, bytes: 0});
    assert.ok(await store.tenant('t').has(young));
  });
});

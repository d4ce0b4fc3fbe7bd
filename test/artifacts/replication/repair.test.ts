/** What a coordinator lost or missed comes back to it, and sweeping deletes nothing that a cluster still needs. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {rm, utimes} from 'node:fs/promises';
import {sweepArtifacts} from '../../../coordinator/artifacts/sweepArtifacts.ts';
import {blobsOf} from '../../../coordinator/artifacts/textArtifacts.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {found} from '../../support/waiting.ts';
import {ArtifactCluster, recordsOf, TENANT} from './artifactCluster.ts';

describe('repairing artifacts', () => {
  let cluster: ArtifactCluster;
  beforeEach(async () => {
    cluster = await ArtifactCluster.start(['a', 'b', 'c']);
  });
  afterEach(() => cluster.close());

  const put = async (id: string, content: Uint8Array = randomBytes(100)) =>
    (await cluster.member(id).store.tenant(TENANT).put(content)).sha256;
  const has = (id: string, sha256: string) => cluster.member(id).store.tenant(TENANT).has(sha256);

  it('fetches what records name, themselves or by a list, and nothing else', async () => {
    const [plan, bundle, unnamed] = [await put('b'), await put('c'), await put('b')];
    const list = await put('b', Buffer.from(JSON.stringify([{sha256: bundle}])));
    const repair = cluster.member('a').repair([`{"plan":"${plan}"}`, `{"bundleList":"${list}"}`]);
    const outcome = await repair.pass(TENANT);
    // The list came by being read.
    assert.equal(outcome.fetched, 3);
    assert.equal(outcome.missing, 0);
    for (const sha256 of [plan, bundle, list]) assert.ok(await has('a', sha256));
    assert.ok(!(await has('a', unnamed)));
    assert.deepEqual(await repair.pass(TENANT), {fetched: 0, bytes: 0, missing: 0, silent: 0});
  });

  it('does not read the records when nothing is missing', async () => {
    for (const id of ['a', 'b', 'c']) await put(id, Buffer.from('the same everywhere'));
    const before = cluster.member('b').asked.length;
    await cluster.member('a').repair([]).pass(TENANT);
    assert.deepEqual(cluster.member('b').asked.slice(before), [`GET /replicas/${TENANT}/`]);
  });

  it('brings a coordinator that lost its disk back to what it had, by itself', async () => {
    const names: string[] = [];
    for (let at = 0; at < 30; at++)
      names.push((await cluster.member('a').replicated.tenant(TENANT).put(randomBytes(50))).sha256);
    await cluster.member('c').stop();
    await rm(cluster.member('c').folder, {recursive: true});
    await cluster.member('c').start();
    const repair = cluster.member('c').repair(names);
    repair.start();
    const whole = async () => ((await cluster.member('c').files()) === 30 ? true : undefined);
    await found(whole, 10_000, 'the artifacts to come back');
    repair.dispose();
  });

  it('looks when somebody comes back, and again while somebody cannot be asked', async () => {
    await cluster.member('b').stop();
    await cluster.member('c').stop();
    await cluster.member('b').start();
    const sha256 = await put('b');
    await cluster.member('b').stop({isKnown: false});
    const repair = cluster.member('a').repair([sha256]);
    repair.start();
    await cluster.member('b').start();
    const there = async () => ((await has('a', sha256)) ? true : undefined);
    await found(there, 10_000, 'the artifact to come');
    repair.dispose();
  });

  describe('sweeping', () => {
    const sweep = (id: string, values: readonly string[]) =>
      sweepArtifacts(cluster.member(id).store.tenant(TENANT), {
        records: recordsOf(values),
        before: Date.now() - 1000,
        read: blobsOf(cluster.member(id).replicated.tenant(TENANT)).find,
      });
    const age = (id: string, sha256: string) =>
      utimes(cluster.member(id).store.tenant(TENANT).blobFile(sha256), 1, 1);

    it('spares on every disk what is offered again at one coordinator, since it is about to be named', async () => {
      for (const content of [Buffer.from('small'), randomBytes(200_000)]) {
        const {sha256} = await cluster.member('a').replicated.tenant(TENANT).put(content);
        for (const id of ['b', 'c']) await cluster.member(id).replicated.tenant(TENANT).size(sha256);
        for (const id of ['a', 'b', 'c']) await age(id, sha256);
        await cluster.member('a').client().upload(content);
        let kept = 0;
        for (const id of ['a', 'b', 'c']) kept += (await sweep(id, [])).deleted === 0 ? 1 : 0;
        assert.ok(kept >= 2, `${kept} copies`);
      }
    });

    it('deletes a copy that was fetched as late as any other', async () => {
      const sha256 = await put('b');
      await cluster.member('a').read(sha256);
      await age('b', sha256);
      assert.equal((await sweep('b', [])).deleted, 1);
      assert.equal((await sweep('a', [])).deleted, 0);
      await age('a', sha256);
      assert.equal((await sweep('a', [])).deleted, 1);
    });

    it('reads a list that is elsewhere, and deletes nothing while it cannot', async () => {
      const bundle = await put('a');
      await age('a', bundle);
      const list = await put('b', Buffer.from(JSON.stringify([{sha256: bundle}])));
      const records = [`{"bundleList":"${list}"}`];
      await cluster.member('b').stop({isKnown: false});
      await cluster.member('c').stop();
      await assert.rejects(sweep('a', records), (error: unknown) => isCoordinatorError(error, 'unavailable'));
      await cluster.member('b').start();
      assert.equal((await sweep('a', records)).deleted, 0);
      assert.ok(await has('a', bundle));
    });
  });
});

/** Three real coordinators keep artifacts together: any of them serves all, one may die, and one that lost its disk gets everything back. */
import assert from 'node:assert/strict';
import {randomBytes} from 'node:crypto';
import {existsSync} from 'node:fs';
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import type {UploadSource} from '../../coordinator/artifacts/artifactClient.ts';
import {parsePlanBytes} from '../../coordinator/protocol/plan/parse.ts';
import {CoordinatorCluster} from '../support/coordinatorCluster.ts';
import {EtcdServer, missingEtcd} from '../support/etcdServer.ts';
import {Fleet} from '../support/fleet.ts';
import {found} from '../support/waiting.ts';

describe('artifacts of a cluster', function () {
  this.timeout(300_000);
  let cluster: CoordinatorCluster;
  before(async () => {
    cluster = await CoordinatorCluster.start(['a', 'b', 'c']);
  });
  after(() => cluster.close());

  const upload = async (node: string, content: UploadSource) =>
    (await cluster.member(node).artifacts().upload(content)).sha256;
  const download = async (node: string, sha256: string) => {
    const file = path.join(cluster.member(node).folder, sha256);
    await cluster.member(node).artifacts().download(sha256, file);
    return readFile(file);
  };
  const isOnDisk = (node: string, sha256: string) =>
    existsSync(
      path.join(cluster.member(node).dataFolder, 'artifacts', 'default', 'blobs', sha256.slice(0, 2), sha256),
    );
  /** A session that waits for an agent; answers the artifact that its record names. */
  const startSession = async (node: string, id: string) => {
    const text = `name: ${id}\nworkspace: none\ntasks:\n  - {id: t, run: "true"}\n`;
    const parsed = parsePlanBytes(Buffer.from(text));
    assert.equal(parsed.kind, 'plan');
    const client = await cluster.member(node).connect();
    const {session} = await client.request('mcpx.orchestrate.session.start', {
      sessionId: id,
      plan: parsed.plan,
    });
    return session.plan;
  };

  it('are on two disks when the upload has ended, and can be had from every coordinator', async () => {
    const content = randomBytes(12 * 1024 ** 2);
    const sha256 = await upload('a', content);
    assert.ok(['a', 'b', 'c'].filter(node => isOnDisk(node, sha256)).length >= 2);
    for (const node of ['a', 'b', 'c']) assert.deepEqual(await download(node, sha256), content);
  });

  it('are taken while one of three is dead; it comes back, without its disk too, to all that records name', async () => {
    const lead = await cluster.lead();
    const victim = lead === 'c' ? 'b' : 'c';
    const plans = [await startSession(lead, 's-before')];
    await cluster.kill(victim);
    plans.push(await startSession(lead, 's-meanwhile'));
    const content = randomBytes(100_000);
    const unnamed = await upload(lead, content);
    await cluster.loseArtifacts(victim);
    await cluster.member(victim).startCoordinator();
    for (const plan of plans)
      await found(() => isOnDisk(victim, plan) || undefined, 60_000, `${plan} to come back`);
    assert.ok(!isOnDisk(victim, unnamed), 'nobody names it');
    assert.deepEqual(await download(victim, unnamed), content);
  });

  it('wait while nobody else is there, and are taken as soon as somebody is', async () => {
    const [first, second] = ['a', 'b'];
    await cluster.kill('c');
    await cluster.kill(second);
    const uploading = upload(first, randomBytes(1000));
    await cluster.member(second).startCoordinator();
    const sha256 = await uploading;
    assert.ok(isOnDisk(first, sha256) && isOnDisk(second, sha256));
  });
});

const missing = missingEtcd();

describe(`artifacts of two coordinators on one etcd${missing === undefined ? '' : `: ${missing}`}`, function () {
  this.timeout(300_000);
  let etcd: EtcdServer | undefined;
  const fleets: Fleet[] = [];
  before(async function () {
    if (missing !== undefined) return this.skip();
    etcd = await EtcdServer.start({members: 1});
    for (let at = 0; at < 2; at++)
      fleets.push(Fleet.create({coordinatorArgs: ['--store', `${etcd.url}/fleet`]}));
    await Promise.all(fleets.map(fleet => fleet.startCoordinator()));
  });
  after(async () => {
    await Promise.all(fleets.map(fleet => fleet.close()));
    await etcd?.stop();
  });

  it('are on both while both live, and on the one that is left alone soon after the other dies', async () => {
    const [one, two] = fleets;
    assert.ok(one && two);
    const blobs = (fleet: Fleet) => path.join(fleet.dataFolder, 'artifacts', 'default', 'blobs');
    const onDisk = (fleet: Fleet, sha256: string) =>
      existsSync(path.join(blobs(fleet), sha256.slice(0, 2), sha256));
    const client = await one.connect();
    const knows = async () =>
      (await client.request('mcpx.cluster.addresses', {})).others.length === 1 || undefined;
    await found(knows, 30_000, 'one to know of the other');
    const both = (await one.artifacts().upload(randomBytes(5000))).sha256;
    assert.ok(onDisk(one, both) && onDisk(two, both));
    await two.coordinator.kill();
    const content = randomBytes(5000);
    const {sha256} = await one.artifacts().upload(content);
    assert.ok(!onDisk(two, sha256));
    await two.startCoordinator();
    const file = path.join(two.folder, 'content');
    await two.artifacts().download(sha256, file);
    assert.deepEqual(await readFile(file), content);
  });
});

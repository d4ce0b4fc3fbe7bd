/** Several voters under loss, repetition, disorder, partitions and crashes: Raft's invariants hold, and healing brings progress. */
import assert from 'node:assert/strict';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {Cluster} from './cluster.ts';

/** Rounds until `done`; fails after `most`. */
function settle(cluster: Cluster, done: () => boolean, most = 200): void {
  for (let rounds = 0; !done(); rounds++) {
    assert.ok(rounds < most, `no progress in ${most} rounds`);
    cluster.round();
  }
}

function allApplied(cluster: Cluster, count: number): boolean {
  return (
    cluster.history.length >= count &&
    cluster.hosts.every(host => host.applied.length === cluster.history.length)
  );
}

function isolate(cluster: Cluster, id: string): void {
  for (const other of cluster.ids) {
    cluster.cut.add(`${id}>${other}`);
    cluster.cut.add(`${other}>${id}`);
  }
}

describe('raft with several voters', () => {
  for (const size of [2, 3, 5])
    it(`${size} elect one leader and apply what it takes, everywhere alike`, () => {
      const cluster = new Cluster(size, seededRandom(size));
      settle(cluster, () => cluster.leader() !== undefined);
      const leader = cluster.leader();
      assert.ok(leader);
      for (let n = 0; n < 20; n++) cluster.propose(leader);
      settle(cluster, () => allApplied(cluster, 21));
      assert.equal(cluster.hosts.filter(host => host.node?.leader === leader.id).length, size);
      const term = leader.node?.currentTerm;
      for (let n = 0; n < 100; n++) cluster.round();
      assert.equal(leader.node?.currentTerm, term, 'a leader that is heard stays');
    });

  it('a leader without a majority commits nothing, and its entries give way (§5.3)', () => {
    const cluster = new Cluster(3, seededRandom(11));
    settle(cluster, () => cluster.leader() !== undefined);
    const old = cluster.leader();
    assert.ok(old);
    settle(cluster, () => allApplied(cluster, 1));
    isolate(cluster, old.id);
    for (let n = 0; n < 5; n++) cluster.propose(old);
    settle(cluster, () => cluster.leader() !== old);
    const next = cluster.leader();
    assert.ok(next);
    cluster.propose(next);
    settle(cluster, () => cluster.history.length === 3);
    assert.equal(old.applied.length, 1);
    assert.equal(old.log.length, 6);
    cluster.cut.clear();
    settle(cluster, () => allApplied(cluster, 3));
    assert.equal(old.node?.role, 'follower');
    assert.equal(old.log.length, 3);
    cluster.checkLogs();
  });

  it('a voter with a shorter log is not elected (§5.4.1)', () => {
    const cluster = new Cluster(3, seededRandom(5));
    settle(cluster, () => cluster.leader() !== undefined);
    const leader = cluster.leader();
    assert.ok(leader);
    const behind = cluster.hosts.find(host => host !== leader);
    assert.ok(behind);
    isolate(cluster, behind.id);
    for (let n = 0; n < 5; n++) cluster.propose(leader);
    settle(cluster, () => cluster.history.length === 6);
    cluster.crash(leader);
    cluster.cut.clear();
    settle(cluster, () => cluster.leader() !== undefined);
    assert.notEqual(cluster.leader(), behind);
    cluster.start(leader);
    settle(cluster, () => allApplied(cluster, 7));
  });

  for (const size of [3, 5])
    it(`${size} keep every invariant in random schedules, and go on when healed`, function () {
      this.timeout(120_000);
      for (let seed = 1; seed <= 150; seed++) {
        const random = seededRandom(seed * 100 + size);
        const cluster = new Cluster(size, random, seed % 2 === 0 ? 200 : 2000);
        cluster.loss = seed % 3 === 0 ? 0.1 : 0;
        cluster.repeat = seed % 4 === 0 ? 0.2 : 0.02;
        try {
          for (let n = 0; n < 6000; n++) {
            disturb(cluster);
            cluster.step();
          }
          cluster.checkLogs();
          cluster.cut.clear();
          cluster.loss = 0;
          cluster.repeat = 0;
          for (const host of cluster.hosts) if (!host.node) cluster.start(host);
          settle(cluster, () => cluster.leader() !== undefined && allApplied(cluster, 1));
          const leader = cluster.leader();
          assert.ok(leader);
          const before = cluster.history.length;
          cluster.propose(leader);
          settle(cluster, () => allApplied(cluster, before + 1));
          cluster.checkLogs();
        } catch (error) {
          throw new Error(`seed ${seed}`, {cause: error});
        }
      }
    });
});

/** Proposals, crashes, restarts, partitions and their end, at random. */
function disturb(cluster: Cluster): void {
  const {random} = cluster;
  const host = cluster.hosts[Math.floor(random.next() * cluster.hosts.length)];
  assert.ok(host);
  const chance = random.next();
  if (chance < 0.05) cluster.propose(host);
  else if (chance < 0.052 && host.node) cluster.crash(host);
  else if (chance < 0.06 && !host.node) cluster.start(host);
  else if (chance < 0.062) isolate(cluster, host.id);
  else if (chance < 0.064)
    cluster.cut.add(`${host.id}>${cluster.ids[Math.floor(random.next() * cluster.ids.length)]}`);
  else if (chance < 0.067) cluster.cut.clear();
}

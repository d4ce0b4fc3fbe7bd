/** Several voters under loss, repetition, disorder, partitions and crashes: Raft's invariants hold, and healing brings progress. */
import assert from 'node:assert/strict';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {Cluster} from './cluster.ts';

function allApplied(cluster: Cluster, count: number): boolean {
  const {length} = cluster.history;
  return length >= count && cluster.hosts.every(host => host.state.index === length);
}

describe('raft with several voters', () => {
  for (const size of [2, 3, 5])
    it(`${size} elect one leader and apply what it takes, everywhere alike`, () => {
      const cluster = new Cluster({voters: size}, seededRandom(size));
      cluster.settle(() => cluster.leader() !== undefined);
      const leader = cluster.leader();
      assert.ok(leader);
      for (let n = 0; n < 20; n++) cluster.propose(leader);
      cluster.settle(() => allApplied(cluster, 21));
      assert.equal(cluster.hosts.filter(host => host.node?.leader === leader.id).length, size);
      const term = leader.node?.currentTerm;
      for (let n = 0; n < 100; n++) cluster.round();
      assert.equal(leader.node?.currentTerm, term, 'a leader that is heard stays');
    });

  it('a leader without a majority commits nothing, and its entries give way (§5.3)', () => {
    const cluster = new Cluster({voters: 3}, seededRandom(11));
    cluster.settle(() => cluster.leader() !== undefined);
    const old = cluster.leader();
    assert.ok(old);
    cluster.settle(() => allApplied(cluster, 1));
    cluster.isolate(old.id);
    for (let n = 0; n < 5; n++) cluster.propose(old);
    cluster.settle(() => cluster.leader() !== old);
    const next = cluster.leader();
    assert.ok(next);
    cluster.propose(next);
    cluster.settle(() => cluster.history.length === 3);
    assert.equal(old.state.index, 1);
    assert.equal(old.log.length, 6);
    cluster.cut.clear();
    cluster.settle(() => allApplied(cluster, 3));
    assert.equal(old.node?.role, 'follower');
    assert.equal(old.log.length, 3);
    cluster.checkLogs();
  });

  it('a voter with a shorter log is not elected (§5.4.1)', () => {
    const cluster = new Cluster({voters: 3}, seededRandom(5));
    cluster.settle(() => cluster.leader() !== undefined);
    const leader = cluster.leader();
    assert.ok(leader);
    const behind = cluster.hosts.find(host => host !== leader);
    assert.ok(behind);
    cluster.isolate(behind.id);
    for (let n = 0; n < 5; n++) cluster.propose(leader);
    cluster.settle(() => cluster.history.length === 6);
    cluster.crash(leader);
    cluster.cut.clear();
    cluster.settle(() => cluster.leader() !== undefined);
    assert.notEqual(cluster.leader(), behind);
    leader.start();
    cluster.settle(() => allApplied(cluster, 7));
  });

  for (const size of [3, 5])
    it(`${size} keep every invariant in random schedules, and go on when healed`, function () {
      this.timeout(120_000);
      for (let seed = 1; seed <= 150; seed++) {
        const random = seededRandom(seed * 100 + size);
        const cluster = new Cluster({voters: size, maxReadyBytes: seed % 2 === 0 ? 200 : 2000}, random);
        cluster.loss = seed % 3 === 0 ? 0.1 : 0;
        cluster.repeat = seed % 4 === 0 ? 0.2 : 0.02;
        try {
          for (let n = 0; n < 6000; n++) {
            disturb(cluster);
            cluster.step();
          }
          cluster.checkLogs();
          cluster.heal();
          cluster.settle(() => cluster.leader() !== undefined && allApplied(cluster, 1));
          const leader = cluster.leader();
          assert.ok(leader);
          const before = cluster.history.length;
          cluster.propose(leader);
          cluster.settle(() => allApplied(cluster, before + 1));
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
  else if (chance < 0.06 && !host.node) host.start();
  else if (chance < 0.062) cluster.isolate(host.id);
  else if (chance < 0.064)
    cluster.cut.add(`${host.id}>${cluster.ids[Math.floor(random.next() * cluster.ids.length)]}`);
  else if (chance < 0.067) cluster.cut.clear();
}

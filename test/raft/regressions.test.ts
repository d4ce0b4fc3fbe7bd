/** What went wrong in other implementations of Raft, one case each; the scripts show the same mechanisms at length. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../coordinator/raft/configuration.ts';
import type {RaftNode} from '../../coordinator/raft/raftNode.ts';
import type {RaftConfig, ReadOutcome} from '../../coordinator/raft/types.ts';
import {ScriptCluster} from './scriptCluster.ts';

const data = (text: string): Uint8Array => Buffer.from(text);

/** Three voters of which `a` leads. */
function led(
  voters = ['a', 'b', 'c'],
  spares: string[] = [],
  settings: Omit<RaftConfig, 'id' | 'start'> = {},
) {
  const cluster = new ScriptCluster(voters, [], spares, settings);
  cluster.node('a').campaign();
  settle(cluster);
  assert.equal(cluster.node('a').role, 'leader');
  return cluster;
}

function settle(cluster: ScriptCluster, ids: readonly string[] = [...cluster.hosts.keys()]): string[] {
  return cluster.settle(ids);
}

function tick(node: RaftNode, times: number): void {
  for (let n = 0; n < times; n++) node.tick();
}

function isolate(cluster: ScriptCluster, id: string): void {
  for (const other of cluster.hosts.keys()) {
    cluster.setCut(id, other);
    cluster.setCut(other, id);
  }
}

/** `id` is elected by the others, whose patience is over. */
function elect(cluster: ScriptCluster, id: string, voters: readonly string[]): void {
  for (const voter of voters) if (voter !== id) tick(cluster.node(voter), 10);
  cluster.node(id).campaign();
  settle(cluster, voters);
  assert.equal(cluster.node(id).role, 'leader');
}

function contextOf(outcome: ReadOutcome): string {
  assert.equal(outcome.kind, 'pending');
  return outcome.kind === 'pending' ? outcome.context : '';
}

describe('raft regressions', () => {
  it('a new leader changes no membership before an entry of its own term is applied (Ongaro 2015; copycat 23)', () => {
    const cluster = new ScriptCluster(['a', 'b', 'c'], [], ['d'], {});
    cluster.node('a').campaign();
    while (cluster.node('a').role !== 'leader') {
      cluster.ready('a');
      if (cluster.host('a').write) cluster.persist('a');
      settle(cluster, ['b', 'c']);
      cluster.deliver('a');
    }
    const change = [{action: 'addVoter', node: 'd'}] as const;
    assert.deepEqual(cluster.node('a').changeMembership(change), {kind: 'refused', reason: 'pending'});
    settle(cluster);
    assert.equal(cluster.node('a').changeMembership(change).kind, 'proposed');
  });

  it('a restarted node whose disk says that a configuration is committed applies it before it campaigns (etcd raft 469)', () => {
    const cluster = led(['a', 'b', 'c'], ['d', 'e']);
    for (const node of ['d', 'e']) {
      cluster.node('a').changeMembership([{action: 'addVoter', node}]);
      settle(cluster);
      tick(cluster.node('a'), 1);
      settle(cluster);
    }
    // The second change came with the knowledge that the first is committed.
    const b = cluster.host('b');
    b.crash();
    const node = b.start();
    assert.deepEqual(node.configuration, initialConfiguration(['a', 'b', 'c']));
    assert.deepEqual(node.campaign(), {kind: 'refused', reason: 'unapplied'});
    settle(cluster, ['b']);
    assert.ok(node.configuration.voters.length >= 4);
  });

  it('nothing is rolled back of a configuration that is not committed, because it is not in force (canonical raft 250)', () => {
    const cluster = led(['a', 'b', 'c'], ['d']);
    const before = cluster.node('a').configuration;
    isolate(cluster, 'a');
    cluster.node('a').changeMembership([{action: 'addVoter', node: 'd'}]);
    settle(cluster);
    cluster.host('a').compact();
    assert.deepEqual(cluster.node('a').configuration, before);
    elect(cluster, 'b', ['b', 'c']);
    cluster.heal();
    tick(cluster.node('b'), 1);
    settle(cluster);
    for (const id of ['a', 'b', 'c']) assert.deepEqual(cluster.node(id).configuration, before);
    assert.equal(cluster.node('a').lastIndex, cluster.node('b').lastIndex);
  });

  it('pre-votes end however terms and logs are spread (etcd 8243, 8501)', () => {
    for (const ahead of ['a', 'b', 'c']) {
      const cluster = led();
      cluster.node('a').propose(data('x'));
      settle(cluster);
      // One of them has got to a later term alone.
      for (const host of cluster.hosts.values()) host.crash();
      const {hardState} = cluster.host(ahead);
      cluster.host(ahead).hardState = {...hardState, term: 9, vote: ahead};
      for (const host of cluster.hosts.values()) host.start();
      settle(cluster);
      for (let n = 0; n < 60; n++) {
        for (const host of cluster.hosts.values()) host.node?.tick();
        settle(cluster);
      }
      const leaders = [...cluster.hosts.values()].filter(host => host.node?.role === 'leader');
      assert.equal(leaders.length, 1, `${ahead} was ahead`);
    }
  });

  it('a leader that hears no majority stops its heartbeats, so that those whom they reach can elect another (Cloudflare 2020)', () => {
    const cluster = led(['a', 'b', 'c', 'd', 'e']);
    for (const id of ['c', 'd', 'e']) cluster.setCut(id, 'a');
    for (const id of ['d', 'e']) cluster.setCut('a', id);
    for (let n = 0; n < 60; n++) {
      for (const host of cluster.hosts.values()) host.node?.tick();
      settle(cluster);
    }
    assert.notEqual(cluster.node('a').role, 'leader');
    const leader = [...cluster.hosts.values()].find(host => host.node?.role === 'leader');
    assert.ok(leader);
    assert.equal(leader.node?.propose(data('x')).kind, 'appended');
  });

  it('a read that comes while another waits is not answered with the older index (tikv 7995)', () => {
    const cluster = led();
    const first = contextOf(cluster.node('a').read());
    cluster.ready('a');
    cluster.node('a').propose(data('x'));
    settle(cluster, ['b', 'c']);
    // The answers are on their way when the entry is committed and a second read comes.
    const held = cluster.node('a').committed;
    for (const id of ['a', 'b', 'c']) cluster.ready(id);
    cluster.persist('a');
    settle(cluster, ['b', 'c']);
    cluster.deliver('a');
    const second = contextOf(cluster.node('a').read());
    const committed = cluster.node('a').committed;
    assert.ok(committed > held);
    const lines = settle(cluster).concat();
    assert.ok(lines.includes(`a: read ${second} at ${committed}`), lines.join('\n'));
    assert.ok(!lines.includes(`a: read ${second} at ${held}`), first);
  });

  it('an answer to a read of before the restart answers no read of after it (etcd 20418)', () => {
    const cluster = led();
    const before = contextOf(cluster.node('b').read());
    cluster.ready('b');
    cluster.host('b').crash();
    const node = cluster.host('b').start();
    tick(cluster.node('a'), 1);
    cluster.ready('a');
    cluster.deliver('b');
    const after = contextOf(node.read());
    assert.notEqual(after, before);
    node.step({kind: 'readIndexReply', to: 'b', from: 'a', context: before, index: 0});
    const lines = settle(cluster);
    assert.deepEqual(
      lines.filter(line => line.startsWith('b: read')),
      [`b: read ${after} at 1`],
    );
  });

  it('a thousand reads share the rounds, and none waits for ever', () => {
    const cluster = led();
    const asked = new Set<string>();
    const lines: string[] = [];
    for (let n = 0; n < 1000; n++) {
      asked.add(contextOf(cluster.node(n % 3 === 0 ? 'b' : 'a').read()));
      for (const id of ['a', 'b', 'c']) lines.push(...cluster.ready(id));
      // What is sent to c is lost; to b it comes late and in heaps.
      cluster.drop('c');
      if (n % 7 === 0) cluster.deliver('b');
      if (n % 5 === 0) cluster.deliver('a');
    }
    const rounds = lines.filter(line => line.includes('->b heartbeat ')).length;
    assert.ok(rounds <= 1000, `${rounds} rounds`);
    lines.push(...settle(cluster));
    const answered = lines.flatMap(line => /read (\S+) at /.exec(line)?.[1] ?? []);
    assert.deepEqual(new Set(answered), asked);
    assert.equal(answered.length, asked.size);
  });

  it('a leader whose disk hangs gives the lead to one whose disk works (hashicorp 503, 614; etcd 13527)', () => {
    const cluster = led();
    cluster.node('a').propose(data('x'));
    cluster.ready('a');
    for (let n = 0; n < 60; n++) {
      for (const host of cluster.hosts.values()) host.node?.tick();
      // a hands out what it can; its write does not end.
      cluster.ready('a');
      settle(cluster, ['b', 'c']);
      cluster.deliver('a');
    }
    assert.equal(cluster.node('a').role, 'follower');
    const leader = cluster.node('a').leader;
    assert.ok(leader === 'b' || leader === 'c');
    assert.equal(cluster.node(leader).propose(data('y')).kind, 'appended');
    settle(cluster, ['b', 'c']);
    assert.ok(cluster.node(leader).applied >= 4);
  });

  it('a hung follower does not campaign, and does not heap up answers', () => {
    const cluster = led();
    cluster.setCut('a', 'c');
    cluster.node('a').propose(data('x'));
    cluster.ready('a');
    cluster.deliver('b');
    cluster.ready('b');
    for (let n = 0; n < 40; n++) {
      cluster.node('a').tick();
      cluster.node('b').tick();
      cluster.ready('a');
      cluster.ready('b');
      cluster.deliver('b');
      cluster.deliver('a');
    }
    tick(cluster.node('b'), 30);
    assert.equal(cluster.node('b').role, 'follower');
    cluster.persist('b');
    const answers = cluster.ready('b').filter(line => line.includes('appendReply'));
    assert.equal(answers.length, 1, answers.join('\n'));
  });

  it('a candidate that crashed before its term was on disk is not elected by answers to it', () => {
    const cluster = led();
    cluster.node('a').propose(data('x'));
    cluster.ready('a');
    for (const id of ['b', 'c']) cluster.deliver(id);
    // b has the entry in memory only; c has it on disk and could commit it with a.
    cluster.ready('b');
    settle(cluster, ['c']);
    tick(cluster.node('c'), 10);
    tick(cluster.node('b'), 12);
    cluster.ready('b');
    settle(cluster, ['c']);
    cluster.deliver('b');
    const sent = cluster.ready('b').filter(line => line.includes(' vote '));
    assert.deepEqual(sent, [], 'no vote is asked for while the term is not on disk');
    cluster.host('b').crash();
    cluster.host('b').start();
    assert.equal(cluster.node('b').currentTerm, 1);
    assert.equal(cluster.node('b').lastIndex, 1);
  });

  it('the last voter hears from one who left, in an earlier term and with a longer log, that it may go on alone', () => {
    const cluster = led(['a', 'b']);
    const a = cluster.node('a');
    assert.equal(a.changeMembership([{action: 'remove', node: 'a'}]).kind, 'proposed');
    settle(cluster, ['a']);
    a.propose(data('more'));
    settle(cluster, ['a']);
    // b gets the entry by which a leaves, and nothing of what follows.
    cluster.deliver('b', 1);
    cluster.drop('b');
    settle(cluster, ['b']);
    a.propose(data('lost'));
    cluster.ready('a');
    cluster.deliver('a');
    cluster.ready('a');
    cluster.host('a').failWrite();
    cluster.apply('a');
    cluster.drop('b');
    assert.deepEqual(a.configuration, initialConfiguration(['b']));
    // An order of a comes late; what b asks then in term 2 is lost.
    const b = cluster.node('b');
    b.step({kind: 'timeoutNow', to: 'b', from: 'a', term: 1});
    settle(cluster, ['b']);
    cluster.drop('a');
    assert.deepEqual([a.currentTerm, b.currentTerm, b.role], [1, 2, 'candidate']);
    for (let n = 0; n < 30; n++) {
      b.tick();
      settle(cluster);
    }
    assert.equal(b.role, 'leader');
    assert.deepEqual(b.configuration, initialConfiguration(['b']));
  });
});

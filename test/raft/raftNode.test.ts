/** One voter: it leads alone, commits what is on its own disk and nothing sooner, and remembers its terms. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../coordinator/raft/configuration.ts';
import {RaftNode} from '../../coordinator/raft/raftNode.ts';
import type {Entry, HardState, Ready} from '../../coordinator/raft/types.ts';

const ALONE = {index: 0, term: 0, configuration: initialConfiguration(['a'])};

/** A driver with a disk of its own: carries out one `Ready` after the other. */
class Driver {
  hardState: HardState | undefined;
  readonly log: Entry[] = [];
  readonly applied: Entry[] = [];
  node: RaftNode;

  constructor() {
    this.node = new RaftNode({id: 'a', start: ALONE});
  }

  /** One `Ready`, persisted and applied. */
  turn(): Ready {
    const ready = this.node.ready();
    this.persist(ready);
    this.applied.push(...ready.committed);
    this.node.advance(ready);
    return ready;
  }

  persist(ready: Ready): void {
    if (ready.hardState) this.hardState = ready.hardState;
    this.log.push(...ready.entries);
  }

  settle(): void {
    while (this.node.hasReady) this.turn();
  }

  restart(): void {
    this.node = new RaftNode({
      id: 'a',
      start: ALONE,
      entries: this.log,
      ...(this.hardState ? {hardState: this.hardState} : {}),
    });
    this.applied.length = 0;
  }

  texts(): string[] {
    return this.applied.map(entry => Buffer.from(entry.data).toString());
  }
}

const data = (text: string): Uint8Array => Buffer.from(text);

describe('raft with one voter', () => {
  it('has its vote on disk before it leads (§5.2)', () => {
    const driver = new Driver();
    assert.equal(driver.node.hasReady, false);
    driver.node.campaign();
    assert.equal(driver.node.role, 'candidate');
    const ready = driver.node.ready();
    assert.deepEqual(ready.hardState, {term: 1, vote: 'a', commit: 0});
    assert.equal(driver.node.role, 'candidate');
    assert.deepEqual(driver.node.propose(data('x')), {kind: 'dropped', reason: 'noLeader'});
    driver.persist(ready);
    driver.node.advance(ready);
    assert.equal(driver.node.role, 'leader');
    assert.equal(driver.node.leader, 'a');
  });

  it('commits nothing that is not on its disk', () => {
    const driver = new Driver();
    driver.node.campaign();
    driver.settle();
    const place = driver.node.propose(data('x'));
    assert.deepEqual(place, {kind: 'appended', index: 2, term: 1});
    const ready = driver.node.ready();
    assert.deepEqual(
      ready.entries.map(entry => entry.index),
      [2],
    );
    assert.deepEqual(ready.committed, []);
    assert.equal(driver.node.committed, 1);
    driver.node.propose(data('y'));
    driver.persist(ready);
    driver.node.advance(ready);
    assert.equal(driver.node.committed, 2);
    const next = driver.node.ready();
    assert.deepEqual(
      next.committed.map(entry => entry.index),
      [2],
    );
    assert.deepEqual(
      next.entries.map(entry => entry.index),
      [3],
    );
  });

  it('applies everything once, in order, and again after a restart', () => {
    const driver = new Driver();
    driver.node.campaign();
    driver.settle();
    for (const text of ['a', 'b', 'c']) driver.node.propose(data(text));
    driver.settle();
    assert.deepEqual(driver.texts(), ['', 'a', 'b', 'c']);
    driver.restart();
    assert.equal(driver.node.role, 'follower');
    driver.node.campaign();
    driver.settle();
    assert.equal(driver.node.currentTerm, 2);
    assert.deepEqual(driver.texts(), ['', 'a', 'b', 'c', '']);
  });

  it('commits entries of an earlier term only with one of its own (§5.4.2)', () => {
    const driver = new Driver();
    driver.node.campaign();
    driver.settle();
    driver.node.propose(data('x'));
    driver.persist(driver.node.ready());
    driver.restart();
    driver.node.campaign();
    driver.turn();
    assert.equal(driver.node.role, 'leader');
    assert.equal(driver.node.committed, 1);
    driver.settle();
    assert.deepEqual(driver.texts(), ['', 'x', '']);
  });

  it('never votes twice in a term, over restarts', () => {
    const driver = new Driver();
    for (let term = 1; term <= 5; term++) {
      driver.node.campaign();
      driver.turn();
      assert.deepEqual(driver.hardState, {term, vote: 'a', commit: 0});
      driver.restart();
    }
  });

  it('forgets an abandoned ready as a restart would', () => {
    const driver = new Driver();
    driver.node.campaign();
    driver.settle();
    driver.node.propose(data('kept'));
    driver.settle();
    driver.node.propose(data('lost'));
    const ready = driver.node.ready();
    driver.node.propose(data('lost too'));
    driver.node.abandon(ready);
    assert.equal(driver.node.role, 'follower');
    assert.equal(driver.node.lastIndex, 2);
    driver.node.campaign();
    driver.settle();
    driver.node.propose(data('later'));
    driver.settle();
    assert.deepEqual(driver.texts(), ['', 'kept', '', 'later']);
    assert.equal(driver.node.currentTerm, 2);
  });

  it('starts behind a snapshot and lets go of applied entries', () => {
    const node = new RaftNode({
      id: 'a',
      start: {...ALONE, index: 100, term: 3},
      hardState: {term: 4, vote: 'a', commit: 90},
    });
    node.campaign();
    const run = (): void => {
      while (node.hasReady) {
        const ready = node.ready();
        node.advance(ready);
        node.compactTo(node.applied);
      }
    };
    run();
    assert.equal(node.currentTerm, 5);
    assert.deepEqual(node.propose(data('x')), {kind: 'appended', index: 102, term: 5});
    run();
    assert.equal(node.applied, 102);
  });

  it('keeps each ready within its size', () => {
    const node = new RaftNode({id: 'a', start: ALONE, maxReadyBytes: 120});
    node.campaign();
    while (node.hasReady) node.advance(node.ready());
    for (let n = 0; n < 10; n++) node.propose(Buffer.alloc(40));
    node.propose(Buffer.alloc(500));
    const sizes: number[] = [];
    while (node.hasReady) {
      const ready = node.ready();
      if (ready.entries.length > 0) sizes.push(ready.entries.length);
      node.advance(ready);
    }
    assert.deepEqual(sizes, [2, 2, 2, 2, 2, 1]);
  });
});

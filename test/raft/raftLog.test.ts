/** The log's own rules, and the arithmetic of majorities. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {majority, quorumIndex} from '../../coordinator/raft/quorum.ts';
import {RaftLog} from '../../coordinator/raft/raftLog.ts';
import type {Entry} from '../../coordinator/raft/types.ts';

const entry = (index: number, term = 1, bytes = 1): Entry => ({
  index,
  term,
  kind: 'command',
  data: new Uint8Array(bytes),
});

describe('raft log', () => {
  it('does not take a replaced entry for the one that was written, though the same comes back', () => {
    const log = new RaftLog({index: 0, term: 0}, [entry(1)]);
    log.append(entry(2, 2));
    log.append(entry(3, 2));
    log.handOut(1000);
    log.truncateFrom(3);
    log.append(entry(3, 4));
    log.truncateFrom(3);
    log.append(entry(3, 2));
    log.written();
    assert.equal(log.stable, 2);
    assert.deepEqual(
      log.handOut(1000).map(one => one.index),
      [3],
    );
    log.written();
    assert.equal(log.stable, 3);
  });

  it('hands out each entry once to be persisted, and applies only what is stable and committed', () => {
    const log = new RaftLog({index: 0, term: 0}, []);
    for (let index = 1; index <= 4; index++) log.append(entry(index));
    const indexes = (entries: readonly Entry[]): number[] => entries.map(one => one.index);
    assert.deepEqual(indexes(log.handOut(40)), [1, 2]);
    log.commitTo(3);
    assert.deepEqual(indexes(log.applicable(100)), []);
    log.written();
    assert.deepEqual(indexes(log.handOut(100)), [3, 4]);
    assert.deepEqual(indexes(log.applicable(100)), [1, 2]);
  });

  it('has nothing on disk of a snapshot that is not installed, and goes on behind it', () => {
    const log = new RaftLog({index: 0, term: 0}, [entry(1), entry(2)]);
    log.append(entry(3));
    log.handOut(1000);
    log.restore({index: 9, term: 5});
    log.append(entry(10, 5));
    log.written();
    assert.equal(log.stable, 0);
    assert.equal(log.hasApplicable, false);
    assert.deepEqual(
      log.handOut(1000).map(one => one.index),
      [10],
    );
    log.written();
    log.installed(9);
    assert.equal(log.applied, 9);
    assert.equal(log.stable, 10);
    assert.equal(log.term(9), 5);
    assert.equal(log.term(8), undefined);
  });

  it('compacts applied entries only, and keeps the term before the first', () => {
    const log = new RaftLog({index: 0, term: 0}, [entry(1), entry(2), entry(3, 2), entry(4, 2)]);
    log.commitTo(3);
    log.appliedTo(3);
    log.compactTo(4);
    assert.equal(log.firstIndex, 4);
    assert.equal(log.term(3), 2);
    assert.equal(log.term(2), undefined);
    assert.equal(log.lastIndex, 4);
  });

  it('refuses gaps and commits beyond its end', () => {
    const log = new RaftLog({index: 5, term: 1}, []);
    assert.throws(() => log.append(entry(7)));
    assert.throws(() => log.commitTo(6));
  });
});

describe('quorum', () => {
  it('any two majorities share a voter', () => {
    for (let voters = 1; voters <= 9; voters++) {
      assert.ok(majority(voters) * 2 > voters);
      assert.ok((majority(voters) - 1) * 2 <= voters);
    }
  });

  it('index is the highest that a majority has reached', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), {minLength: 1, maxLength: 9}), indexes => {
        const reached = (index: number): boolean =>
          indexes.filter(own => own >= index).length >= majority(indexes.length);
        const index = quorumIndex(indexes);
        assert.ok(reached(index));
        assert.ok(!reached(index + 1));
      }),
    );
  });
});

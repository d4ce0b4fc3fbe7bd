/** The window of what one follower has not answered, and when more may go. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {InFlight} from '../../coordinator/raft/inFlight.ts';
import {Progress} from '../../coordinator/raft/progress.ts';

const replicating = (match: number, maxInFlight = 2, maxInFlightBytes = 1000): Progress => {
  const progress = new Progress(match + 1, {maxInFlight, maxInFlightBytes});
  progress.sent(match, 0, 0);
  progress.accepted(match, 1);
  return progress;
};

describe('messages in flight', () => {
  it('are limited in number and in bytes, and one larger than the window may go alone', () => {
    const window = new InFlight(3, 100);
    window.add(1, 60);
    assert.equal(window.full, false);
    window.add(2, 60);
    assert.equal(window.full, true);
    window.freeTo(1);
    assert.equal(window.full, false);
    window.freeTo(2);
    window.add(3, 500);
    assert.equal(window.full, true);
    window.freeTo(3);
    assert.equal(window.bytes, 0);
  });

  it('count like a plain list', () => {
    const step = fc.oneof(fc.record({add: fc.nat(50)}), fc.record({free: fc.nat(30)}));
    fc.assert(
      fc.property(fc.array(step, {maxLength: 60}), steps => {
        const window = new InFlight(5, 120);
        let naive: {last: number; bytes: number}[] = [];
        let last = 0;
        for (const one of steps) {
          if ('add' in one) {
            last += 1;
            window.add(last, one.add);
            naive.push({last, bytes: one.add});
          } else {
            window.freeTo(one.free);
            naive = naive.filter(sent => sent.last > one.free);
          }
          const bytes = naive.reduce((sum, sent) => sum + sent.bytes, 0);
          assert.equal(window.count, naive.length);
          assert.equal(window.bytes, bytes);
          assert.equal(window.full, naive.length >= 5 || bytes >= 120);
        }
      }),
    );
  });
});

describe('progress', () => {
  it('probes with one message at a time until an answer comes', () => {
    const progress = new Progress(10, {maxInFlight: 2, maxInFlightBytes: 1000});
    assert.equal(progress.wants(12, 0), true);
    progress.sent(12, 10, 0);
    assert.equal(progress.wants(12, 0), false);
    progress.refused(9, 4);
    assert.equal(progress.next, 5);
    assert.equal(progress.wants(12, 0), true);
    progress.sent(12, 10, 0);
    progress.accepted(12, 1);
    assert.deepEqual([progress.mode, progress.match, progress.next], ['replicate', 12, 13]);
  });

  it('goes ahead within the window, and back to what is known on a refusal', () => {
    const progress = replicating(5);
    progress.sent(6, 10, 0);
    progress.sent(7, 10, 0);
    assert.equal(progress.wants(9, 0), false);
    progress.accepted(6, 1);
    assert.equal(progress.wants(9, 0), true);
    progress.refused(7, 20);
    assert.deepEqual([progress.mode, progress.next], ['probe', 7]);
  });

  it('takes no notice of answers that time has overtaken', () => {
    const progress = replicating(5);
    progress.refused(4, 1);
    assert.equal(progress.mode, 'replicate');
    progress.accepted(3, 1);
    assert.equal(progress.match, 5);
    progress.refused(8, 6);
    progress.refused(9, 6);
    assert.deepEqual([progress.mode, progress.next], ['probe', 7]);
  });

  it('tells a follower once how far is committed', () => {
    const progress = replicating(5);
    assert.equal(progress.wants(5, 3), true);
    progress.sent(5, 0, 3);
    assert.equal(progress.wants(5, 3), false);
    assert.equal(progress.wants(5, 5), true);
    progress.sent(5, 0, 5);
    assert.equal(progress.wants(5, 5), false);
  });

  it('lets one message beyond the window when a heartbeat is answered', () => {
    const progress = replicating(5);
    progress.sent(6, 10, 0);
    progress.sent(7, 10, 0);
    progress.heard(9);
    assert.equal(progress.wants(9, 0), true);
    assert.equal(progress.mayCarry, false);
    progress.sent(7, 0, 0);
    assert.equal(progress.wants(9, 0), false);
  });

  it('sends nothing while a snapshot is on its way, and goes on behind it', () => {
    const progress = replicating(5);
    progress.needsSnapshot(20);
    progress.sendsSnapshot(25);
    assert.equal(progress.wants(30, 30), false);
    progress.snapshotEnded(true);
    assert.equal(progress.wants(30, 30), false);
    progress.heard(30);
    assert.deepEqual([progress.mode, progress.next, progress.wants(30, 30)], ['probe', 26, true]);
  });

  it('starts again from what is known when a snapshot failed', () => {
    const progress = replicating(5);
    progress.needsSnapshot(20);
    progress.snapshotEnded(false);
    progress.heard(30);
    assert.deepEqual([progress.mode, progress.next], ['probe', 6]);
  });

  describe('with commits that are told lazily', () => {
    const lazy = (): Progress => {
      const progress = new Progress(1, {maxInFlight: 4, maxInFlightBytes: 1000, lazyCommits: true});
      progress.sent(0, 0, 0);
      progress.accepted(0, 1);
      progress.sent(5, 10, 0);
      progress.accepted(5, 1);
      return progress;
    };

    it('says nothing of a commit by itself until it is due, and then once', () => {
      const progress = lazy();
      assert.deepEqual([progress.wants(5, 5), progress.canLearn(5)], [false, true]);
      progress.tellCommit();
      assert.equal(progress.wants(5, 5), true);
      progress.sent(5, 0, 5);
      assert.deepEqual([progress.wants(5, 5), progress.canLearn(5)], [false, false]);
    });

    it('carries it with the next entries', () => {
      const progress = lazy();
      assert.equal(progress.wants(6, 5), true);
      progress.sent(6, 10, 5);
      assert.equal(progress.canLearn(5), false);
      assert.equal(progress.canLearn(6), true);
    });

    it('tells a member at once what that member waits for', () => {
      const progress = lazy();
      progress.awaits(4);
      assert.equal(progress.wants(5, 0), false);
      assert.equal(progress.wants(5, 3), true);
      progress.sent(5, 0, 3);
      assert.equal(progress.wants(5, 4), true);
      progress.sent(5, 0, 4);
      assert.equal(progress.wants(5, 5), false);
    });
  });
});

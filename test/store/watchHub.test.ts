/** The watch hub: who gets what, in which order, and what listeners may do while they are called. */
import assert from 'node:assert/strict';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {Disposable} from '../../coordinator/runtime/disposable.ts';
import {StateMachine} from '../../coordinator/store/stateMachine.ts';
import type {WatchMessage} from '../../coordinator/store/store.ts';
import {WatchHub} from '../../coordinator/store/watchHub.ts';

class Bench {
  readonly machine = new StateMachine();
  private turns: (() => void)[] = [];
  readonly hub = new WatchHub(this.machine, run => void this.turns.push(run), silentLogger);

  put(...keys: string[]): void {
    this.machine.apply({kind: 'txn', txn: {then: keys.map(key => ({kind: 'put', key, value: ''}))}});
  }

  /** One turn of the event loop; false when nothing was waiting. */
  turn(): boolean {
    const turns = this.turns;
    this.turns = [];
    for (const run of turns) run();
    return turns.length > 0;
  }

  watch(
    prefix: string,
    from?: number,
    then?: (message: WatchMessage) => void,
  ): {seen: string[]; watch: Disposable} {
    const seen: string[] = [];
    const watch = this.hub.watch(prefix, from, message => {
      seen.push(
        message.kind === 'events'
          ? `${message.revision}:${message.events.map(event => event.key).join()}`
          : message.kind,
      );
      then?.(message);
    });
    return {seen, watch};
  }
}

describe('watch hub', () => {
  it('never calls a listener before watch returns', () => {
    const bench = new Bench();
    bench.put('a');
    bench.hub.deliver();
    const {seen} = bench.watch('', 1);
    assert.deepEqual(seen, []);
    bench.turn();
    assert.deepEqual(seen, ['1:a']);
  });

  it('replays history in slices while new revisions come, without a gap or a repeat', () => {
    const bench = new Bench();
    for (let n = 0; n < 1200; n++) bench.put('k');
    bench.hub.deliver();
    const {seen} = bench.watch('k', 1);
    const early = bench.watch('k');
    while (bench.turn()) {
      bench.put('k');
      bench.hub.deliver();
    }
    assert.deepEqual(
      seen,
      Array.from({length: bench.machine.revision}, (_, n) => `${n + 1}:k`),
    );
    assert.equal(early.seen[0], '1201:k');
  });

  it('ends a replay that compaction overtakes', () => {
    const bench = new Bench();
    for (let n = 0; n < 1200; n++) bench.put('k');
    bench.hub.deliver();
    const {seen} = bench.watch('k', 1);
    bench.turn();
    assert.equal(seen.length, 500);
    bench.machine.apply({kind: 'compact', revision: 800});
    bench.machine.trim(10_000);
    while (bench.turn());
    assert.deepEqual(seen.slice(500), ['compacted']);
  });

  it('lets a listener end others and start new ones', () => {
    const bench = new Bench();
    const started: string[][] = [];
    const second: Disposable[] = [];
    bench.watch('k', undefined, () => {
      for (const watch of second) watch.dispose();
      started.push(bench.watch('k').seen);
    });
    const other = bench.watch('k');
    second.push(other.watch);
    bench.put('k');
    bench.hub.deliver();
    bench.put('k');
    bench.hub.deliver();
    assert.deepEqual(other.seen, []);
    assert.deepEqual(started, [['2:k'], []]);
  });

  it('delivers to the others when one listener throws', () => {
    const bench = new Bench();
    bench.watch('', undefined, () => {
      throw new Error('a broken listener');
    });
    const {seen} = bench.watch('');
    bench.put('a', 'b');
    bench.hub.deliver();
    assert.deepEqual(seen, ['1:a,b']);
  });

  it('goes on with a watch that wants what a received state has, and ends one that wants what it lacks', () => {
    const bench = new Bench();
    bench.put('a');
    bench.hub.deliver();
    const behind = bench.watch('');
    // It came from a node that was further on.
    const ahead = bench.watch('', 6);
    const beyond = bench.watch('', 9);
    const received = new StateMachine();
    const put = (key: string): void =>
      void received.apply({kind: 'txn', txn: {then: [{kind: 'put', key, value: ''}]}});
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) put(key);
    received.apply({kind: 'compact', revision: 5});
    received.trim(Number.POSITIVE_INFINITY);
    bench.hub.replaceSource(received);
    while (bench.turn());
    put('i');
    bench.hub.deliver();
    assert.deepEqual(behind.seen, ['compacted']);
    assert.deepEqual(ahead.seen, ['6:f', '7:g', '8:h', '9:i']);
    assert.deepEqual(beyond.seen, ['9:i']);
  });

  it('closes every watch once, replaying ones too', () => {
    const bench = new Bench();
    bench.put('a');
    bench.hub.deliver();
    const watchers = [bench.watch('', 1), bench.watch('a'), bench.watch('a', 9)];
    bench.hub.close();
    bench.hub.close();
    while (bench.turn());
    for (const {seen} of watchers) assert.deepEqual(seen, ['closed']);
  });
});

/** Leases under pauses: a process that slept must not end them at once. */
import assert from 'node:assert/strict';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {LeaseDeadlines} from '../../../coordinator/store/embedded/leaseDeadlines.ts';
import {LOG_ONLY, newDisk, openOn} from './simulation.ts';

describe('lease deadlines', () => {
  it('are due when their time has passed, until they end or are renewed', () => {
    const deadlines = new LeaseDeadlines(250, 2000, 0);
    deadlines.renew('a', 1, 0);
    deadlines.renew('b', 2, 0);
    assert.deepEqual(deadlines.due(999), []);
    assert.deepEqual(deadlines.due(1000), ['a']);
    assert.deepEqual(deadlines.due(2000), ['a', 'b']);
    deadlines.renew('a', 1, 2000);
    deadlines.end('b');
    assert.deepEqual(deadlines.due(2500), []);
    assert.deepEqual(deadlines.due(3000), ['a']);
  });

  it('move by a pause, and not by a late tick', () => {
    const deadlines = new LeaseDeadlines(250, 2000, 0);
    deadlines.renew('a', 5, 0);
    assert.equal(deadlines.noticePause(1999), 0);
    assert.equal(deadlines.noticePause(1999 + 3_600_000), 3_599_750);
    assert.deepEqual(deadlines.due(3_602_000), []);
    assert.deepEqual(deadlines.due(5000 + 3_599_750), ['a']);
  });
});

/** A clock that can stand still for its timers while time goes on, as in a process that was stopped. */
class PausingClock extends ManualClock {
  private skipped = 0;

  override now(): number {
    return super.now() + this.skipped;
  }

  skip(ms: number): void {
    this.skipped += ms;
  }
}

describe('leases of the embedded store', () => {
  it('survive a pause of the process and expire after the rest of their time', async () => {
    const clock = new PausingClock();
    const store = await openOn(newDisk(), LOG_ONLY, {clock});
    const lease = await store.grantLease(10);
    await store.txn({then: [{kind: 'put', key: 'k', value: '', lease: lease.id}]});
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 250) {
        clock.advance(250);
        await new Promise<void>(resolve => setImmediate(resolve));
      }
      await store.grantLease(1);
    };
    await pass(4000);
    clock.skip(3_600_000);
    await pass(4000);
    assert.ok(await store.get('k'));
    await pass(4000);
    assert.equal(await store.get('k'), undefined);
    await store.close();
  });

  it('have their whole time again after a restart', async () => {
    const disk = newDisk();
    const first = await openOn(disk, LOG_ONLY);
    const lease = await first.grantLease(2);
    await first.txn({then: [{kind: 'put', key: 'k', value: '', lease: lease.id}]});
    await first.close();
    const clock = new ManualClock();
    const store = await openOn(disk, LOG_ONLY, {clock});
    clock.advance(1500);
    assert.equal(await store.keepAlive(lease.id), true);
    await store.close();
  });
});

/** Faults, quarantine, probation and the way back. */
import assert from 'node:assert/strict';
import {
  afterOutcome,
  type Outcome,
  outcomeOf,
  QUARANTINE_SETTINGS,
  quarantineAt,
  withOutcome,
} from '../../coordinator/pool/quarantine.ts';
import type {Quarantine} from '../../coordinator/protocol/model/agent.ts';

const MINUTE = 60_000;

/** What becomes of an agent whose attempts end so: `x` a fault, `.` a success, at one a minute. */
function course(ends: string, from?: Quarantine, everyMs = MINUTE): Quarantine | undefined {
  let state = from;
  let recent: Outcome[] = [];
  for (const [n, end] of [...ends].entries()) {
    const outcome = {at: n * everyMs, ...(end === 'x' && {fault: 'workspace: no space left'})};
    recent = withOutcome(recent, outcome, QUARANTINE_SETTINGS);
    state = afterOutcome(state, recent, QUARANTINE_SETTINGS);
  }
  return state;
}

const PROBATION: Quarantine = {kind: 'probation', since: 0, reason: 'before', strikes: 1, succeeded: 0};

describe('quarantine', () => {
  it('begins with the third fault within ten minutes', () => {
    assert.equal(course('xx'), undefined);
    assert.deepEqual(course('xxx'), {
      kind: 'quarantined',
      since: 2 * MINUTE,
      until: 7 * MINUTE,
      reason: '3 faults in 2 min, last workspace: no space left',
      strikes: 1,
    });
    assert.equal(course('xxx', undefined, 6 * MINUTE), undefined, 'too far apart');
  });

  it('spares an agent that succeeds half as often as it fails, or more', () => {
    assert.equal(course('x.x.x.x.x.'), undefined);
    assert.equal(course('....x....x....x'), undefined);
    assert.equal(course('..xxxx')?.kind, 'quarantined');
  });

  it('is over at its time, and probation follows', () => {
    const held = course('xxx');
    assert.equal(quarantineAt(held, 7 * MINUTE - 1)?.kind, 'quarantined');
    const probation = quarantineAt(held, 7 * MINUTE);
    assert.equal(probation?.kind, 'probation');
    assert.deepEqual(quarantineAt(probation, 100 * MINUTE), probation, 'which only work ends');
  });

  it('is over for good after two successes on probation', () => {
    assert.equal(course('.', PROBATION)?.kind, 'probation');
    assert.equal(course('..', PROBATION), undefined);
  });

  it('comes back twice as long with one fault on probation, up to an hour', () => {
    const again = course('.x', PROBATION);
    assert.deepEqual(again?.kind === 'quarantined' && [again.strikes, again.until - again.since], [
      2,
      10 * MINUTE,
    ]);
    const often = course('x', {...PROBATION, strikes: 30});
    assert.deepEqual(often?.kind === 'quarantined' && often.until - often.since, 60 * MINUTE);
  });

  it('is not changed by what was under way when it began', () => {
    const held = course('xxx');
    assert.deepEqual(course('.....x', held), held);
  });

  it('counts what is the machine at fault, and nothing else', () => {
    const failure = (
      kind: 'workspace' | 'auth' | 'missing' | 'crashed' | 'exit' | 'gate' | 'timeout' | 'rateLimit',
    ) => outcomeOf('failed', {kind, message: 'm'}, 5);
    for (const kind of ['workspace', 'auth', 'missing', 'crashed'] as const)
      assert.deepEqual(failure(kind), {at: 5, fault: `${kind}: m`});
    for (const kind of ['exit', 'gate', 'timeout', 'rateLimit'] as const)
      assert.equal(failure(kind), undefined);
    assert.deepEqual(outcomeOf('succeeded', undefined, 5), {at: 5});
    for (const outcome of ['cancelled', 'lost', 'stale'])
      assert.equal(outcomeOf(outcome, undefined, 5), undefined);
  });
});

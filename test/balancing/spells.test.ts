/** Slow spells of agents: seen in what ended and in what still runs, doubted after one odd try, and forgotten. */
import assert from 'node:assert/strict';
import {newSpell, sawEnd, slowAt, slowness, withRunning} from '../../coordinator/balancing/spells.ts';

const MINUTE = 60_000;
const VARIANCE = 0.35;

describe('Slow spells', () => {
  it('are believed after several slow ends, and over after several usual ones', () => {
    const spell = newSpell(0);
    const before = spell.slow;
    for (let count = 1; count <= 4; count += 1) sawEnd(spell, 1.1, VARIANCE, count * MINUTE);
    assert.ok(spell.slow > 0.75, `${spell.slow}`);
    assert.ok(slowness(spell.slow) > 0.6);
    for (let count = 5; count <= 9; count += 1) sawEnd(spell, 0, VARIANCE, count * MINUTE);
    assert.ok(spell.slow < 2 * before, `${spell.slow}`);
  });

  it('are not believed for one try that hung', () => {
    const spell = newSpell(0);
    sawEnd(spell, 2.3, VARIANCE, MINUTE);
    assert.ok(spell.slow < 0.6, `${spell.slow}`);
  });

  it('pass by themselves', () => {
    const spell = {slow: 0.95, at: 0};
    assert.ok(slowAt(spell, 15 * MINUTE) < 0.5);
    assert.ok(Math.abs(slowness(slowAt(spell, 5 * 60 * MINUTE))) < 0.01);
    assert.equal(slowAt(spell, -MINUTE), 0.95);
  });

  it('show in attempts that still run: in late ones only, and more so where all are late', () => {
    const one = withRunning(0.1, 1.2, VARIANCE);
    assert.ok(Math.abs(withRunning(0.1, -2, VARIANCE) - 0.1) < 0.01);
    assert.ok(one > 0.2, `${one}`);
    assert.ok(withRunning(one, 1.2, VARIANCE) > one + 0.1);
  });
});

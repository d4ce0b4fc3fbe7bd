/** Durations as people write them. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {Duration, formatDuration, parseDuration} from '../../../coordinator/protocol/plan/duration.ts';

describe('durations', () => {
  for (const [value, ms] of [
    [0, 0],
    [1.5, 1500],
    ['90', 90_000],
    ['250ms', 250],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['2d', 172_800_000],
    [' 5m ', 300_000],
  ] as const) {
    it(`${JSON.stringify(value)} is ${ms} ms`, () => assert.equal(parseDuration(value), ms));
  }

  for (const value of [
    '',
    ' ',
    'm',
    '5 minutes',
    '-5s',
    '5m-',
    '1h30',
    '5M',
    '1,5h',
    '٣s',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
  ]) {
    it(`${JSON.stringify(value)} is none`, () => assert.equal(parseDuration(value), undefined));
  }

  it('of more than 30 days are refused', () => {
    assert.ok(Duration.safeParse('30d').success);
    assert.ok(!Duration.safeParse('31d').success);
    assert.ok(!Duration.safeParse('9'.repeat(400)).success);
  });

  it('are whole, finite milliseconds whatever is written', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.double(), fc.stringMatching(/^[0-9.]{1,8}(ms|s|m|h|d)$/)),
        value => {
          const parsed = Duration.safeParse(value);
          if (parsed.success) assert.ok(Number.isInteger(parsed.data) && parsed.data >= 0);
        },
      ),
    );
  });

  for (const [ms, text] of [
    [0, '0ms'],
    [999, '999ms'],
    [1500, '1.5s'],
    [12_400, '12s'],
    [60_000, '1m00s'],
    [3_599_000, '59m59s'],
    [5_400_000, '1h30m'],
  ] as const) {
    it(`${ms} ms are shown as ${text}`, () => assert.equal(formatDuration(ms), text));
  }

  it('never show sixty seconds or minutes', () => {
    fc.assert(
      fc.property(fc.integer({min: 0, max: 10 ** 9}), ms => {
        assert.doesNotMatch(formatDuration(ms), /(^|\D)60(\.0)?[sm]/);
      }),
    );
  });
});

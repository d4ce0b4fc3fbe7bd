/** The window of numbered values against a Map, over random histories. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {SequenceWindow} from '../../../coordinator/store/embedded/sequenceWindow.ts';

/** `gap`: numbers left out before the next one. */
const Step = fc.oneof(
  {weight: 10, arbitrary: fc.record({add: fc.nat(3)})},
  {weight: 8, arbitrary: fc.record({deleteAt: fc.nat(200)})},
  {weight: 1, arbitrary: fc.constant({clear: true})},
);

describe('a window of numbered values', () => {
  it('holds what a Map would hold, in the order of numbers', () => {
    fc.assert(
      fc.property(fc.array(Step, {maxLength: 600}), steps => {
        const window = new SequenceWindow<string>();
        const naive = new Map<number, string>();
        let last = 0;
        for (const step of steps) {
          if ('add' in step) {
            last += 1 + step.add;
            window.add(last, `value ${last}`);
            naive.set(last, `value ${last}`);
          } else if ('deleteAt' in step) {
            const number = [...naive.keys()][step.deleteAt] ?? step.deleteAt;
            assert.equal(window.delete(number), naive.delete(number));
          } else {
            window.clear();
            naive.clear();
          }
          assert.equal(window.size, naive.size);
          assert.equal(window.get(last), naive.get(last));
        }
        assert.deepEqual([...window.values()], [...naive.values()]);
        for (let number = 0; number <= last + 1; number++)
          assert.equal(window.get(number), naive.get(number));
      }),
      {numRuns: 200},
    );
  });

  it('goes on when one that came early stays long', () => {
    const window = new SequenceWindow<number>();
    window.add(1, 1);
    for (let number = 2; number <= 10_000; number++) {
      window.add(number, number);
      if (number > 2) assert.ok(window.delete(number - 1));
    }
    assert.deepEqual([...window.values()], [1, 10_000]);
  });
});

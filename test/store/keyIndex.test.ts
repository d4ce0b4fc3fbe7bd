/** The ordered index of keys against a sorted array, at sizes where chunks split and vanish. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {compareCodePoints, KeyIndex} from '../../coordinator/store/keyIndex.ts';

function collect(
  index: KeyIndex<{key: string}>,
  way: 'ascend' | 'descend',
  prefix: string,
  bound?: string,
): string[] {
  const keys: string[] = [];
  index[way](prefix, bound, item => keys.push(item.key) > 0);
  return keys;
}

describe('key index', () => {
  it('orders any text as its UTF-8 bytes', () => {
    const text = fc.string({unit: 'binary', maxLength: 4});
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(
          Math.sign(compareCodePoints(a, b)),
          Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))),
        );
      }),
      {numRuns: 2000},
    );
  });

  for (const [order, pick] of [
    ['ascending', (n: number) => n],
    ['descending', (n: number) => 5000 - n],
    ['random', (n: number) => (n * 7919) % 5003],
  ] as const)
    it(`finds every key and range after ${order} insertions and random deletions`, () => {
      const random = seededRandom(3);
      const index = new KeyIndex<{key: string}>();
      const expected = new Set<string>();
      for (let n = 0; n < 5000; n++) {
        const key = `k/${String(pick(n)).padStart(5, '0')}${n % 100 === 0 ? '😀' : n % 101 === 0 ? '\uffee' : ''}`;
        if (expected.has(key)) continue;
        index.insert({key});
        expected.add(key);
      }
      for (const key of [...expected])
        if (random.next() < 0.6) {
          index.delete(key);
          expected.delete(key);
        }
      index.delete('k/absent');
      const sorted = [...expected].sort(compareCodePoints);
      assert.equal(index.size, sorted.length);
      for (const prefix of ['', 'k/', 'k/01', 'k/012', 'k/0123', 'l', 'j', 'k/99999']) {
        const under = sorted.filter(key => key.startsWith(prefix));
        assert.deepEqual(collect(index, 'ascend', prefix), under);
        assert.deepEqual(collect(index, 'descend', prefix), [...under].reverse());
        for (const bound of ['k/01234', sorted[100] ?? '', '', 'zzz', under[0] ?? '', under.at(-1) ?? '']) {
          const above = under.filter(key => compareCodePoints(key, bound) > 0);
          const below = under.filter(key => compareCodePoints(key, bound) < 0);
          assert.deepEqual(collect(index, 'ascend', prefix, bound), above, `${prefix} above ${bound}`);
          assert.deepEqual(
            collect(index, 'descend', prefix, bound),
            [...below].reverse(),
            `${prefix} below ${bound}`,
          );
        }
      }
    });
});

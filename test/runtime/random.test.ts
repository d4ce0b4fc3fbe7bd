/** Randomness: the system's, and sequences that a seed replays. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {newId, seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';

const RECORDED: readonly string[] = ['0.8686135609168559', '0.41595513583160937', '5672673482a3'];

describe('seeded randomness', () => {
  it('is the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const [a, b] = [seededRandom(seed), seededRandom(seed)];
        for (let draw = 0; draw < 20; draw++) assert.equal(a.next(), b.next());
        assert.equal(a.hex(7), b.hex(7));
      }),
    );
  });

  it('never changes: recorded runs must replay', () => {
    const random = seededRandom(42);
    assert.deepEqual([random.next(), random.next(), random.hex(6)].map(String), RECORDED);
  });

  it('differs between neighbouring seeds', () => {
    const firsts = Array.from({length: 1000}, (_, seed) => seededRandom(seed).next());
    assert.equal(new Set(firsts).size, 1000);
  });
});

for (const [name, random] of [
  ['seeded', seededRandom(1)],
  ['system', systemRandom],
] as const) {
  describe(`${name} randomness`, () => {
    it('is uniform in [0, 1)', () => {
      const buckets = new Array<number>(10).fill(0);
      for (let draw = 0; draw < 10_000; draw++) {
        const value = random.next();
        assert.ok(value >= 0 && value < 1);
        buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] ?? 0) + 1;
      }
      // 8 standard deviations.
      for (const count of buckets) assert.ok(Math.abs(count - 1000) < 240, buckets.join(' '));
    });

    it('writes as many bytes as were asked for', () => {
      for (const bytes of [0, 1, 3, 6, 16, 33])
        assert.match(random.hex(bytes), new RegExp(`^[0-9a-f]{${bytes * 2}}$`));
    });

    it('makes identifiers that differ', () => {
      const ids = Array.from({length: 1000}, () => newId(random, 's'));
      assert.equal(new Set(ids).size, 1000);
      for (const id of ids) assert.match(id, /^s-[0-9a-f]{12}$/);
    });
  });
}

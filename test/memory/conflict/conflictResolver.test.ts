/** Which strategy decides about a conflict, and what it comes to. */
import assert from 'node:assert/strict';
import {ConflictResolver} from '../../../coordinator/memory/conflict/conflictResolver.ts';
import {ruleFor} from '../../../coordinator/memory/conflict/conflictRules.ts';
import {type MemoryConflict, merged} from '../../../coordinator/memory/conflict/memoryConflict.ts';
import type {ConflictRule} from '../../../coordinator/protocol/model/conflictStrategy.ts';
import {compareClocks, mergeClocks, type VectorClock} from '../../../coordinator/protocol/vectorClock.ts';
import type {JsonValue} from '../../../coordinator/runtime/json.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {below} from '../randomJson.ts';

const resolver = (rule: Omit<ConflictRule, 'prefix'>) => new ConflictResolver(() => ({prefix: '', ...rule}));

function conflict(
  base: JsonValue | undefined,
  mine: JsonValue | undefined,
  theirs: JsonValue | undefined,
  more: {mine?: Partial<MemoryConflict['mine']>; theirs?: Partial<MemoryConflict['theirs']>} = {},
): MemoryConflict {
  return {
    key: 'k',
    base: {value: base, clock: {hub: 1}, revision: 1},
    theirs: {value: theirs, clock: {hub: 2}, revision: 2, ...more.theirs},
    mine: {value: mine, clock: {hub: 1, run: 1}, ...more.mine},
  };
}

describe('the resolver of conflicts', () => {
  it('takes the last writer by the revision of the commit, never by any clock', async () => {
    const last = resolver({strategy: 'last-writer-wins'});
    assert.deepEqual(await last.resolveConflict([conflict(0, 'm', 't')]), {
      strategy: 'last-writer-wins',
      resolution: {kind: 'value', kept: 'mine', value: 'm'},
    });
    const earlier = last.resolve(conflict(0, 'm', 't', {mine: {revision: 3}, theirs: {revision: 9}}));
    assert.deepEqual(earlier.resolution, {kind: 'value', kept: 'theirs', value: 't'});
  });

  it('takes what has seen the other, by vector clocks, and asks a person where neither has', () => {
    const clocks = resolver({strategy: 'vector-clock'});
    const seen = (mine: VectorClock, theirs: VectorClock) =>
      clocks.resolve(conflict(0, 'm', 't', {mine: {clock: mine}, theirs: {clock: theirs}}));
    assert.deepEqual(seen({hub: 2, run: 1}, {hub: 2}).resolution, {kind: 'value', kept: 'mine', value: 'm'});
    assert.deepEqual(seen({hub: 2}, {hub: 2, run: 1}).resolution, {
      kind: 'value',
      kept: 'theirs',
      value: 't',
    });
    assert.equal(seen({hub: 1, run: 1}, {hub: 2}).strategy, 'manual');
  });

  it('merges, and falls back to what the rule says where it cannot', () => {
    const merge = resolver({strategy: 'merge', merge: 'json'});
    assert.deepEqual(merge.resolve(conflict({a: 1, b: 1}, {a: 2, b: 1}, {a: 1, b: 2})), {
      strategy: 'merge',
      resolution: {kind: 'value', kept: 'both', value: {a: 2, b: 2}},
    });
    const both = conflict({a: 1}, {a: 2}, {a: 3});
    assert.deepEqual(merge.resolve(both), {
      strategy: 'manual',
      resolution: {kind: 'manual', why: 'both sides changed a'},
    });
    const otherwise = resolver({strategy: 'merge', merge: 'json', otherwise: 'last-writer-wins'});
    assert.deepEqual(otherwise.resolve(both), {
      strategy: 'last-writer-wins',
      resolution: {kind: 'value', kept: 'mine', value: {a: 2}},
    });
  });

  it('leaves a deletion of what the other side changed to a person, and is done where both deleted', () => {
    const merge = resolver({strategy: 'merge'});
    assert.equal(merge.resolve(conflict(1, undefined, 2)).strategy, 'manual');
    assert.deepEqual(merge.resolve(conflict(1, undefined, undefined)).resolution, {
      kind: 'value',
      kept: 'theirs',
      value: undefined,
    });
  });

  it('never decides where a person is to', () => {
    const manual = resolver({strategy: 'manual', otherwise: 'last-writer-wins'});
    assert.equal(manual.resolve(conflict(1, 2, 3)).resolution.kind, 'manual');
  });

  it('uses a merge that was registered, and asks a person for one that is not known', () => {
    const longest = resolver({strategy: 'merge', merge: 'longest'});
    assert.equal(longest.resolve(conflict('', 'abc', 'ab')).strategy, 'manual');
    longest.register('longest', (_base, mine, theirs) =>
      merged(String(mine).length > String(theirs).length ? mine : theirs),
    );
    assert.deepEqual(longest.resolve(conflict('', 'abc', 'ab')).resolution, {
      kind: 'value',
      kept: 'mine',
      value: 'abc',
    });
    assert.throws(() => longest.register('json', () => merged(1)));
  });

  it('counts two equal steps of a counter twice', () => {
    const counters = resolver({strategy: 'merge', merge: 'counter'});
    const {resolution} = counters.resolve(conflict(10, 11, 11));
    assert.deepEqual(resolution, {kind: 'value', kept: 'both', value: 12});
  });

  it('brings several conflicts of a key to one outcome, in their order', async () => {
    const counters = resolver({strategy: 'merge', merge: 'counter'});
    const outcome = await counters.resolveConflict([conflict(10, 11, 15), conflict(10, 12, 15)]);
    assert.deepEqual(outcome, {strategy: 'merge', resolution: {kind: 'value', kept: 'both', value: 18}});
  });
});

describe('rules for conflicts', () => {
  const rules: readonly ConflictRule[] = [
    {prefix: '', strategy: 'last-writer-wins'},
    {prefix: 'api/', strategy: 'manual'},
    {prefix: 'api/count', strategy: 'merge', merge: 'counter'},
    {prefix: 'api/', sessionId: 's-1', strategy: 'vector-clock'},
  ];
  const cases: readonly [string, string, string][] = [
    ['s-1', 'x', 'last-writer-wins'],
    ['s-2', 'api/x', 'manual'],
    ['s-1', 'api/x', 'vector-clock'],
    ['s-1', 'api/counts', 'merge'],
  ];
  for (const [session, key, strategy] of cases)
    it(`of ${key} in ${session}: ${strategy}`, () =>
      assert.equal(ruleFor(rules, session, key).strategy, strategy));
  it('merge JSON and ask a person where nobody said otherwise', () =>
    assert.deepEqual(ruleFor([], 's', 'k'), {
      prefix: '',
      strategy: 'merge',
      merge: 'json',
      otherwise: 'manual',
    }));
});

describe('vector clocks', () => {
  it('are ordered as sets of seen events are', () => {
    const random = seededRandom(7);
    const clock = (): VectorClock =>
      Object.fromEntries(
        ['a', 'b', 'constructor'].filter(() => random.next() < 0.7).map(n => [n, below(random, 3)]),
      );
    const opposite = {equal: 'equal', before: 'after', after: 'before', concurrent: 'concurrent'} as const;
    for (let round = 0; round < 500; round++) {
      const [a, b] = [clock(), clock()];
      const both = mergeClocks(a, b);
      assert.equal(compareClocks(b, a), opposite[compareClocks(a, b)]);
      assert.equal(compareClocks(a, a), 'equal');
      for (const each of [a, b]) assert.ok(['equal', 'before'].includes(compareClocks(each, both)));
      if (compareClocks(a, b) === 'before') assert.equal(compareClocks(b, both), 'equal');
    }
  });
});

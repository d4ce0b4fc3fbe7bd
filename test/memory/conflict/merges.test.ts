/** The laws of the merges, on random values: which side is which makes no difference, what one side did not change is taken from the other. */
import assert from 'node:assert/strict';
import {counterMerge} from '../../../coordinator/memory/conflict/counterMerge.ts';
import {jsonMerge} from '../../../coordinator/memory/conflict/jsonMerge.ts';
import type {Merge, MergeResult} from '../../../coordinator/memory/conflict/memoryConflict.ts';
import {setMerge} from '../../../coordinator/memory/conflict/setMerge.ts';
import {textMerge} from '../../../coordinator/memory/conflict/textMerge.ts';
import {canonicalJson, type JsonValue} from '../../../coordinator/runtime/json.ts';
import {type Random, seededRandom} from '../../../coordinator/runtime/random.ts';
import {below, changedJson, randomJson} from '../randomJson.ts';

const ROUNDS = 400;
const SEED = 20_260_728;

interface Generator {
  readonly name: string;
  readonly merge: Merge;
  make(random: Random): JsonValue;
  change(random: Random, value: JsonValue): JsonValue;
  /** As the merge sees values: those that mean the same. */
  meaning(value: JsonValue): string;
}

const counters = (random: Random): JsonValue =>
  Object.fromEntries(
    ['a', 'b', 'c'].filter(() => random.next() < 0.7).map(name => [name, below(random, 9) - 4]),
  );
const elements = (random: Random): JsonValue =>
  ['p', 'q', 'r', 's', {t: 1}].filter(() => random.next() < 0.5);
const lines = (random: Random): string =>
  Array.from({length: below(random, 8)}, () => `${'xyz'[below(random, 3)]}\n`).join('');
const changedLines = (random: Random, text: JsonValue): string =>
  String(text)
    .split(/(?<=\n)/)
    .flatMap(line =>
      random.next() < 0.2 ? [] : random.next() < 0.2 ? [line, `n${below(random, 3)}\n`] : [line],
    )
    .join('');

const GENERATORS: readonly Generator[] = [
  {name: 'json', merge: jsonMerge, make: randomJson, change: changedJson, meaning: canonicalJson},
  {name: 'counter', merge: counterMerge, make: counters, change: counters, meaning: nonZero},
  {name: 'set', merge: setMerge, make: elements, change: elements, meaning: asSet},
  {name: 'text', merge: textMerge, make: lines, change: changedLines, meaning: canonicalJson},
];

/** A counter that is not there counts as 0. */
function nonZero(value: JsonValue): string {
  return canonicalJson(
    Object.fromEntries(Object.entries(value as object).filter(([, count]) => count !== 0)),
  );
}

function asSet(value: JsonValue): string {
  return canonicalJson([...new Set((value as JsonValue[]).map(each => canonicalJson(each)))].sort());
}

function told(result: MergeResult, meaning: (value: JsonValue) => string): string {
  return result.kind === 'merged' ? meaning(result.value) : 'conflict';
}

describe('merges of concurrent values', () => {
  for (const {name, merge, make, change, meaning} of GENERATORS) {
    const each = (law: (base: JsonValue, mine: JsonValue, theirs: JsonValue) => void) => () => {
      const random = seededRandom(SEED);
      for (let round = 0; round < ROUNDS; round++) {
        const base = make(random);
        const [mine, theirs] = [change(random, base), change(random, base)];
        try {
          law(base, mine, theirs);
        } catch (error) {
          throw new Error(`round ${round}: ${JSON.stringify({base, mine, theirs})}`, {cause: error});
        }
      }
    };

    it(
      `${name}: come to the same, whichever side is which`,
      each((base, mine, theirs) =>
        assert.equal(told(merge(base, mine, theirs), meaning), told(merge(base, theirs, mine), meaning)),
      ),
    );
    it(
      `${name}: take the side that changed, when the other did not`,
      each((base, mine) => {
        assert.equal(told(merge(base, mine, base), meaning), meaning(mine));
        assert.equal(told(merge(base, base, mine), meaning), meaning(mine));
      }),
    );
    it(
      `${name}: change nothing where nobody did, nor their inputs`,
      each((base, mine, theirs) => {
        const before = [base, mine, theirs].map(value => canonicalJson(value));
        assert.equal(told(merge(base, base, base), meaning), meaning(base));
        merge(base, mine, theirs);
        assert.deepEqual(
          [base, mine, theirs].map(value => canonicalJson(value)),
          before,
        );
      }),
    );
    // Two equal steps of a counter are two steps.
    if (name !== 'counter')
      it(
        `${name}: take once what both did alike`,
        each((base, mine) => assert.equal(told(merge(base, mine, mine), meaning), meaning(mine))),
      );
  }

  it('json: a result has every change of both sides, or names a path that both changed', () => {
    const random = seededRandom(SEED);
    let conflicts = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const base = Object.fromEntries(['a', 'b', 'c', 'd'].map(name => [name, below(random, 3)]));
      const step = () =>
        Object.fromEntries(Object.entries(base).map(([name, n]) => [name, random.next() < 0.3 ? n + 5 : n]));
      const [mine, theirs] = [
        step(),
        Object.fromEntries(Object.entries(step()).map(([k, n]) => [k, n + (n > 4 ? 5 : 0)])),
      ];
      const result = jsonMerge(base, mine, theirs);
      const both = Object.keys(base).filter(name => mine[name] !== base[name] && theirs[name] !== base[name]);
      if (both.length > 0) {
        conflicts++;
        assert.equal(result.kind, 'conflict');
        for (const name of both) assert.match(result.kind === 'conflict' ? result.why : '', new RegExp(name));
        continue;
      }
      const expected = Object.fromEntries(
        Object.entries(base).map(([name, n]) => [name, mine[name] === n ? theirs[name] : mine[name]]),
      );
      assert.deepEqual(result, {kind: 'merged', value: expected});
    }
    assert.ok(conflicts > 20 && conflicts < ROUNDS - 20);
  });

  const cases: readonly [string, Merge, JsonValue | undefined, JsonValue, JsonValue, MergeResult][] = [
    [
      'json: a member deleted here and unchanged there goes',
      jsonMerge,
      {a: 1, b: 2},
      {b: 2},
      {a: 1, b: 3},
      {kind: 'merged', value: {b: 3}},
    ],
    [
      'json: members of two new objects come together',
      jsonMerge,
      undefined,
      {a: 1},
      {b: 2},
      {kind: 'merged', value: {a: 1, b: 2}},
    ],
    ['counter: both sums count', counterMerge, 10, 13, 8, {kind: 'merged', value: 11}],
    ['counter: two new counters add up', counterMerge, undefined, 3, 4, {kind: 'merged', value: 7}],
    [
      'set: what one side took away is out, what the other added is in',
      setMerge,
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'b', 'd'],
      {kind: 'merged', value: ['b', 'c', 'd']},
    ],
    [
      'text: changes of different lines are both made',
      textMerge,
      'one\ntwo\nthree\nfour\n',
      'ONE\ntwo\nthree\nfour\n',
      'one\ntwo\nthree\nFOUR\nfive',
      {kind: 'merged', value: 'ONE\ntwo\nthree\nFOUR\nfive'},
    ],
    [
      'text: changes of one line are a conflict',
      textMerge,
      'one\ntwo\n',
      'ONE\ntwo\n',
      'uno\ntwo\n',
      {kind: 'conflict', why: 'both sides changed the text at line 1'},
    ],
    [
      'text: texts from nothing that is known are a conflict',
      textMerge,
      undefined,
      'a',
      'b',
      {kind: 'conflict', why: 'what both texts were made from is not known'},
    ],
  ];
  for (const [name, merge, base, mine, theirs, expected] of cases)
    it(name, () => assert.deepEqual(merge(base, mine, theirs), expected));

  for (const {name, merge} of GENERATORS.filter(({name}) => name !== 'json'))
    it(`${name}: values of another shape are a conflict, never a throw`, () => {
      for (const value of [null, true, {a: 'x'}] as JsonValue[])
        assert.equal(merge(1, value, 'y').kind, 'conflict', JSON.stringify(value));
    });
});

/** The linearizability search on histories known good and bad, against the definition on small random ones, and on long ones in bounded time. */
import assert from 'node:assert/strict';
import {type Random, seededRandom} from '../../../coordinator/runtime/random.ts';
import {linearizableByForce} from './bruteForce.ts';
import {explain} from './explain.ts';
import {linearize} from './linearize.ts';
import {checkRegisters, type RegisterInput, type RegisterOperation, registerModel} from './registerModel.ts';

/** `P r=1 0-5`: process, what (`w1`, `r=1`, `c1>2=yes`), from call to end, `?` for an unknown end. */
function parse(lines: readonly string[]): RegisterOperation[] {
  return lines.map((line, id) => {
    const [process = '', what = '', times = ''] = line.split(' ');
    const [from, to] = times.split('-');
    const known = to !== '?';
    const cas = /^c(\w*)>(\w*)(?:=(yes|no))?$/.exec(what);
    const call = Number(from);
    const end = known ? Number(to) : Number.POSITIVE_INFINITY;
    const base = {id, process, call, end};
    if (cas) {
      const input = {kind: 'cas', key: 'x', from: cas[1] ?? '', to: cas[2] ?? ''} as const;
      return {...base, input, output: known ? {kind: 'cas', swapped: cas[3] === 'yes'} : undefined};
    }
    if (what.startsWith('w')) {
      const input = {kind: 'write', key: 'x', value: what.slice(1)} as const;
      return {...base, input, output: known ? {kind: 'written'} : undefined};
    }
    const output = {kind: 'read', value: what.slice(2)} as const;
    return {...base, input: {kind: 'read', key: 'x'}, output: known ? output : undefined};
  });
}

const CASES: readonly {name: string; good: boolean; history: readonly string[]}[] = [
  {name: 'nothing', good: true, history: []},
  {name: 'a read of what was never written', good: false, history: ['A r=1 0-1']},
  {name: 'a read after a write', good: true, history: ['A w1 0-1', 'B r=1 2-3']},
  {name: 'a stale read', good: false, history: ['A w1 0-1', 'A w2 2-3', 'B r=1 4-5']},
  {name: 'a read of the initial value after a write', good: false, history: ['A w1 0-1', 'B r= 2-3']},
  {name: 'a read beside a write sees the old value', good: true, history: ['A w1 0-9', 'B r= 1-2']},
  {name: 'a read beside a write sees the new value', good: true, history: ['A w1 0-9', 'B r=1 1-2']},
  {
    name: 'reads beside a write go from old to new',
    good: true,
    history: ['A w1 0-9', 'B r= 1-2', 'C r=1 3-4'],
  },
  {
    name: 'reads beside a write go back from new to old',
    good: false,
    history: ['A w1 0-9', 'B r=1 1-2', 'C r= 3-4'],
  },
  {
    name: 'overlapping reads beside a write disagree',
    good: true,
    history: ['A w1 0-9', 'B r=1 1-4', 'C r= 3-5'],
  },
  {
    name: 'two readers see two writes in different orders',
    good: false,
    history: ['A w1 0-1', 'B w2 0.5-9', 'C r=2 2-3', 'C r=1 4-5', 'D r=2 6-7'],
  },
  {
    name: 'concurrent writes in the order that the readers tell',
    good: true,
    history: ['A w1 0-5', 'B w2 1-6', 'C r=2 7-8', 'D r=2 9-10'],
  },
  {
    name: 'a write that ended is overtaken by an older one',
    good: false,
    history: ['A w1 0-1', 'B w2 2-3', 'C r=2 4-5', 'D r=1 6-7'],
  },
  // Herlihy and Wing 1990, figures 1 and 2, for a register.
  {
    name: 'a write takes effect before its answer',
    good: true,
    history: ['A w0 0-2', 'B w1 1-9', 'C r=1 3-4', 'A w0 5-6', 'C r=0 7-8'],
  },
  {
    name: 'a write would have to take effect twice',
    good: false,
    history: ['A w0 0-2', 'B w1 1-12', 'C r=1 3-4', 'A w0 5-6', 'C r=0 7-8', 'C r=1 9-10'],
  },
  {
    name: 'one of two compare-and-sets wins',
    good: true,
    history: ['A c>1=yes 0-5', 'B c>2=no 1-6', 'A r=1 7-8'],
  },
  {name: 'both of two compare-and-sets win', good: false, history: ['A c>1=yes 0-5', 'B c>2=yes 1-6']},
  {
    name: 'compare-and-sets in a chain, called at once',
    good: true,
    history: ['A c2>3=yes 0-9', 'B c1>2=yes 0.5-9.5', 'C c>1=yes 0.7-9.7'],
  },
  {name: 'a compare-and-set fails without a reason', good: false, history: ['A w1 0-1', 'B c1>2=no 2-3']},
  {name: 'a lost update', good: false, history: ['A w1 0-1', 'B c1>2=yes 2-3', 'C r=1 4-5']},
  {name: 'an unknown write is seen later', good: true, history: ['A w1 0-?', 'B r= 5-6', 'B r=1 7-8']},
  {name: 'an unknown write is never seen', good: true, history: ['A w1 0-?', 'B r= 5-6', 'B r= 7-8']},
  {
    name: 'an unknown write is seen, and then the value before it',
    good: false,
    history: ['A w1 0-?', 'B r=1 5-6', 'B r= 7-8'],
  },
  {name: 'an unknown write is seen before its call', good: false, history: ['B r=1 0-1', 'A w1 2-?']},
  {
    name: 'an unknown write comes long after later writes',
    good: true,
    history: ['A w1 0-?', 'B w2 1-2', 'B w3 3-4', 'B r=3 5-6', 'B r=1 7-8'],
  },
  {
    name: 'an unknown write takes effect twice',
    good: false,
    history: ['A w1 0-?', 'B w2 1-2', 'B r=1 3-4', 'B w2 5-6', 'B r=2 7-8', 'B r=1 9-10'],
  },
  {
    name: 'an unknown compare-and-set explains a value',
    good: true,
    history: ['A w1 0-1', 'B c1>2 2-?', 'C r=2 3-4', 'D c2>3=yes 5-6'],
  },
  {
    name: 'an unknown compare-and-set that cannot have swapped',
    good: false,
    history: ['A w1 0-1', 'B c7>2 2-?', 'C r=2 3-4'],
  },
];

const INPUTS: readonly RegisterInput[] = [
  {kind: 'read', key: 'x'},
  {kind: 'write', key: 'x', value: '1'},
  {kind: 'write', key: 'x', value: '2'},
  {kind: 'cas', key: 'x', from: '1', to: '2'},
  {kind: 'cas', key: 'x', from: '', to: '1'},
];

const pick = <T>(random: Random, items: readonly T[]): T => {
  const item = items[Math.floor(random.next() * items.length)];
  assert.ok(item !== undefined);
  return item;
};

/** Operations at random positions with random answers: about half of these histories are linearizable. */
function randomHistory(random: Random, size: number): RegisterOperation[] {
  return Array.from({length: size}, (_, id) => {
    const call = random.next() * 10;
    const known = random.next() < 0.8;
    const input = pick(random, INPUTS);
    const end = known ? call + random.next() * 6 : Number.POSITIVE_INFINITY;
    const base = {id, process: `p${id}`, input, call, end};
    if (!known) return {...base, output: undefined};
    if (input.kind === 'read') return {...base, output: {kind: 'read', value: pick(random, ['', '1', '2'])}};
    if (input.kind === 'write') return {...base, output: {kind: 'written'}};
    return {...base, output: {kind: 'cas', swapped: random.next() < 0.5}};
  });
}

/** A real register under `processes` clients at once; each operation takes effect somewhere between its ends. */
function realHistory(random: Random, count: number, processes: number, values: number): RegisterOperation[] {
  const free = Array.from({length: processes}, () => 0);
  const planned = Array.from({length: count}, (_, id) => {
    const process = Math.floor(random.next() * processes);
    const call = (free[process] ?? 0) + random.next();
    const effect = call + random.next() * 3;
    const end = effect + random.next() * 3;
    free[process] = end;
    const value = String(Math.floor(random.next() * values));
    const kind = pick(random, ['read', 'write', 'cas'] as const);
    const input: RegisterInput =
      kind === 'read'
        ? {kind, key: 'x'}
        : kind === 'write'
          ? {kind, key: 'x', value}
          : {kind, key: 'x', from: String(Math.floor(random.next() * values)), to: value};
    return {id, process: `p${process}`, input, call, end, effect};
  });
  let state = registerModel.initial;
  const done = planned
    .sort((a, b) => a.effect - b.effect)
    .map(({effect: _, ...operation}): RegisterOperation => {
      const {input} = operation;
      const before = state;
      state = registerModel.step(state, input, undefined) ?? state;
      if (random.next() < 0.02) return {...operation, output: undefined, end: Number.POSITIVE_INFINITY};
      if (input.kind === 'read') return {...operation, output: {kind: 'read', value: before}};
      if (input.kind === 'write') return {...operation, output: {kind: 'written'}};
      return {...operation, output: {kind: 'cas', swapped: before === input.from}};
    });
  return done;
}

describe('linearizability search', () => {
  for (const {name, good, history} of CASES)
    it(`${good ? 'accepts' : 'refuses'} ${name}`, () => {
      const operations = parse(history);
      assert.equal(linearizableByForce(registerModel, operations), good, 'the case itself');
      assert.equal(linearize(registerModel, operations).kind, good ? 'linearizable' : 'violation');
    });

  it('agrees with the definition on small random histories', () => {
    const random = seededRandom(1);
    const verdicts = {linearizable: 0, violation: 0, undecided: 0};
    for (let n = 0; n < 6000; n++) {
      const operations = randomHistory(random, 1 + Math.floor(random.next() * 6));
      const {kind} = linearize(registerModel, operations);
      verdicts[kind] += 1;
      const expected = linearizableByForce(registerModel, operations) ? 'linearizable' : 'violation';
      assert.equal(kind, expected, JSON.stringify(operations));
    }
    assert.ok(verdicts.linearizable > 1000 && verdicts.violation > 1000, JSON.stringify(verdicts));
  });

  it('returns an order that is legal and keeps real time', () => {
    const random = seededRandom(2);
    const operations = realHistory(random, 400, 5, 3);
    const verdict = linearize(registerModel, operations);
    assert.ok(verdict.kind === 'linearizable');
    let state = registerModel.initial;
    let latestCall = Number.NEGATIVE_INFINITY;
    for (const {input, output, call, end} of verdict.order) {
      const next = registerModel.step(state, input, output);
      assert.ok(next !== undefined && end > latestCall);
      latestCall = Math.max(latestCall, call);
      state = next;
    }
    const placed = new Set(verdict.order);
    assert.ok(operations.every(operation => operation.output === undefined || placed.has(operation)));
  });

  it('decides long histories of many clients quickly', () => {
    const random = seededRandom(3);
    for (const processes of [1, 4, 8]) {
      const operations = realHistory(random, 2000, processes, 1000);
      const verdict = linearize(registerModel, operations);
      assert.equal(verdict.kind, 'linearizable');
      assert.ok(verdict.steps < 200_000, `${verdict.steps} steps with ${processes} clients`);
    }
  });

  it('finds one wrong answer in a long history', () => {
    const random = seededRandom(4);
    const operations = realHistory(random, 1000, 4, 1000);
    const at = operations.findIndex(({input, output}, n) => n > 500 && input.kind === 'read' && output);
    const wrong = operations.map(
      (operation, n): RegisterOperation =>
        n === at ? {...operation, output: {kind: 'read', value: 'never'}} : operation,
    );
    const report = checkRegisters(wrong);
    assert.match(report ?? '', /"value":"never"/);
  });

  it('gives up at its limit and says so', () => {
    // Unknown writes that any read may have seen, and one that none explains.
    const unknown = Array.from({length: 24}, (_, n) => `W${n} w${n} 0.${n + 10}-?`);
    const reads = Array.from({length: 24}, (_, n) => `R r=${23 - n} ${n + 1}-${n + 1.5}`);
    const operations = parse([...unknown, ...reads, 'R r=no 50-51']);
    assert.equal(linearize(registerModel, operations, 1000).kind, 'undecided');
  });

  it('explains a failure by the shortest beginning that fails, with the operation that fits nowhere', () => {
    const operations = parse(['A w1 0-1', 'A w2 2-3', 'B r=1 4-5', 'A w3 6-7', 'B r=2 8-9']);
    const words = {
      operation: ({id}: RegisterOperation) => `operation ${id}`,
      state: (value: string) => `state ${value}`,
    };
    const explanation = explain(registerModel, operations, words);
    assert.equal(explanation?.operation.id, 2);
    assert.deepEqual(
      explanation.prefix.map(({id}) => id),
      [0, 1, 2],
    );
    assert.match(explanation.text, /operation 2\nat best 2 of the 3 .*\n {4}state 2\n/);
  });
});

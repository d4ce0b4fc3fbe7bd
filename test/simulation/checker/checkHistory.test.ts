/** Whole histories of the store: transactions over keys, leases against the clock, watches against what happened; good ones, and each with one thing wrong. */
import assert from 'node:assert/strict';
import type {KeyValue, StoreEvent} from '../../../coordinator/store/store.ts';
import {checkHistory} from './checkHistory.ts';
import {formatHistory, type HistoryEvent, parseHistory} from './history.ts';
import type {StoreInput, StoreOutput} from './storeModel.ts';

const kv = (key: string, value: string, revision: number, version = 1, lease?: string): KeyValue => {
  const base = {key, value, createRevision: revision - version + 1, modRevision: revision, version};
  return lease === undefined ? base : {...base, lease};
};
const call = (id: number, input: StoreInput, at = id * 100): HistoryEvent => ({
  type: 'call',
  at,
  id,
  process: `p${id}`,
  input,
});
const answer = (id: number, output: StoreOutput, at = id * 100 + 50): HistoryEvent => ({
  type: 'answer',
  at,
  id,
  output,
});
const put = (key: string, value: string, lease?: string): StoreInput => ({
  kind: 'txn',
  txn: {then: [lease === undefined ? {kind: 'put', key, value} : {kind: 'put', key, value, lease}]},
});
const wrote = (revision: number): StoreOutput => ({
  kind: 'txn',
  result: {succeeded: true, revision, responses: [{kind: 'put'}]},
});
const got = (found?: KeyValue): StoreOutput => (found ? {kind: 'got', kv: found} : {kind: 'got'});
const watch = (watcher: string, from: number, prefix = ''): HistoryEvent => ({
  type: 'watch',
  at: 0,
  watcher,
  prefix,
  from,
});
const events = (watcher: string, revision: number, ...seen: StoreEvent[]): HistoryEvent => ({
  type: 'events',
  at: 1000,
  watcher,
  revision,
  events: seen,
});
const putEvent = (now: KeyValue, previous?: KeyValue): StoreEvent =>
  previous ? {kind: 'put', key: now.key, kv: now, previous} : {kind: 'put', key: now.key, kv: now};

const A1 = kv('a', '1', 1);
const A2 = {...kv('a', '2', 2, 2), createRevision: 1};
const WRITES = [call(1, put('a', '1')), answer(1, wrote(1)), call(2, put('a', '2')), answer(2, wrote(2))];
const TWO_KEYS: StoreInput = {
  kind: 'txn',
  txn: {
    then: [
      {kind: 'put', key: 'a', value: '1'},
      {kind: 'put', key: 'b', value: '1'},
    ],
  },
};
const GRANT = [call(1, {kind: 'grantLease', ttlSeconds: 1}), answer(1, {kind: 'granted', lease: 'l'})];
const keepAlive = (id: number, alive: boolean, at: number): HistoryEvent[] => [
  call(id, {kind: 'keepAlive', lease: 'l'}, at),
  answer(id, {kind: 'alive', alive}, at + 10),
];
const GONE: StoreEvent = {
  kind: 'delete',
  key: 'k',
  kv: {key: 'k', value: '', createRevision: 0, modRevision: 2, version: 0},
  previous: kv('k', '1', 1, 1, 'l'),
};

const CASES: readonly {name: string; wrong?: RegExp; history: readonly HistoryEvent[]}[] = [
  {
    name: 'writes and a read of the last one',
    history: [...WRITES, call(3, {kind: 'get', key: 'a'}), answer(3, got(A2))],
  },
  {
    name: 'a stale read',
    wrong: /not linearizable/,
    history: [...WRITES, call(3, {kind: 'get', key: 'a'}), answer(3, got(A1))],
  },
  {
    name: 'two writes with one revision',
    wrong: /not linearizable/,
    history: [call(1, put('a', '1')), answer(1, wrote(1)), call(2, put('b', '2')), answer(2, wrote(1))],
  },
  {
    name: 'half of a transaction is seen',
    wrong: /not linearizable/,
    history: [
      call(1, TWO_KEYS),
      call(2, {kind: 'get', key: 'a'}),
      answer(2, got(A1)),
      call(3, {kind: 'get', key: 'b'}),
      answer(3, got()),
    ],
  },
  {
    name: 'an unknown transaction is seen whole',
    history: [
      call(1, TWO_KEYS),
      call(2, {kind: 'get', key: 'a'}),
      answer(2, got(A1)),
      call(3, {kind: 'get', key: 'b'}),
      answer(3, got(kv('b', '1', 1))),
    ],
  },
  {
    name: 'a write that was refused is seen',
    wrong: /not linearizable/,
    history: [
      call(1, put('a', '1')),
      {type: 'refused', at: 150, id: 1},
      call(2, {kind: 'get', key: 'a'}),
      answer(2, got(A1)),
    ],
  },
  {
    name: 'a watch of everything',
    history: [watch('w', 1), ...WRITES, events('w', 1, putEvent(A1)), events('w', 2, putEvent(A2, A1))],
  },
  {
    name: 'a watch with a gap',
    wrong: /what was seen of revision 1/,
    history: [watch('w', 1), ...WRITES, events('w', 2, putEvent(A2, A1))],
  },
  {
    name: 'a watch with a repetition',
    wrong: /twice/,
    history: [watch('w', 1), ...WRITES, events('w', 1, putEvent(A1)), events('w', 1, putEvent(A1))],
  },
  {
    name: 'a watch out of order',
    wrong: /after revision 2/,
    history: [watch('w', 1), ...WRITES, events('w', 2, putEvent(A2, A1)), events('w', 1, putEvent(A1))],
  },
  {
    name: 'a watch of what nobody wrote',
    wrong: /what was seen of revision 2/,
    history: [
      watch('w', 1),
      ...WRITES,
      events('w', 1, putEvent(A1)),
      events('w', 2, putEvent({...A2, value: '3'}, A1)),
    ],
  },
  {
    name: 'a watch that knows a write before it is called',
    wrong: /not linearizable/,
    history: [watch('w', 1), events('w', 1, putEvent(A1)), ...WRITES],
  },
  {
    name: 'a watch that resumes behind what it was given',
    history: [
      watch('w', 1),
      ...WRITES,
      events('w', 1, putEvent(A1)),
      watch('w', 2),
      events('w', 2, putEvent(A2, A1)),
    ],
  },
  {
    name: 'a watch decides which of two unknown writes came first',
    history: [
      watch('w', 1),
      call(1, put('a', '2')),
      call(2, put('a', '1')),
      events('w', 1, putEvent(A1)),
      events('w', 2, putEvent(A2, A1)),
    ],
  },
  {
    name: 'a local read of an old state',
    history: [...WRITES, {type: 'local', at: 1000, process: 'p', node: 'n', revision: 1, kvs: [A1]}],
  },
  {
    name: 'a local read of a state that never was',
    wrong: /what was seen of revision 1/,
    history: [...WRITES, {type: 'local', at: 1000, process: 'p', node: 'n', revision: 1, kvs: []}],
  },
  {
    name: 'a lease that is renewed and then ends',
    history: [...GRANT, ...keepAlive(2, true, 900), ...keepAlive(3, false, 1900)],
  },
  {
    name: 'a lease that ends before its time',
    wrong: /shows its end at 1010 ms/,
    history: [...GRANT, ...keepAlive(2, false, 1000)],
  },
  {
    name: 'a renewal that did not count',
    wrong: /renewed it at 900 ms/,
    history: [...GRANT, ...keepAlive(2, true, 900), ...keepAlive(3, false, 1200)],
  },
  {
    name: 'a lease that comes back',
    wrong: /had shown its end/,
    history: [...GRANT, ...keepAlive(2, false, 1200), ...keepAlive(3, true, 1300)],
  },
  {
    name: 'a lease that takes its keys with it',
    history: [
      watch('w', 2),
      ...GRANT,
      call(2, put('k', '1', 'l')),
      answer(2, wrote(1)),
      {...events('w', 2, GONE), at: 1200},
    ],
  },
  {
    name: 'a key that goes before its lease may end',
    wrong: /deletion of k at revision 2/,
    history: [
      watch('w', 2),
      ...GRANT,
      call(2, put('k', '1', 'l')),
      answer(2, wrote(1)),
      {...events('w', 2, GONE), at: 1050},
    ],
  },
  {
    name: 'a lease that is revoked early, as was asked',
    history: [
      ...GRANT,
      call(2, {kind: 'revokeLease', lease: 'l'}),
      answer(2, {kind: 'revoked'}),
      ...keepAlive(3, false, 400),
    ],
  },
];

describe('history check', () => {
  for (const {name, wrong, history} of CASES)
    it(`${wrong ? 'refuses' : 'accepts'} ${name}`, () => {
      const verdict = checkHistory(parseHistory(formatHistory(history)));
      if (!wrong)
        assert.deepEqual(
          {...verdict, operations: 0, unknown: 0, steps: 0},
          {kind: 'correct', operations: 0, unknown: 0, steps: 0},
        );
      else {
        assert.equal(verdict.kind, 'wrong');
        assert.match(verdict.kind === 'wrong' ? verdict.why : '', wrong);
      }
    });

  it('is not led astray by leases whose end nobody saw, where every revision was watched', () => {
    const grants = Array.from({length: 40}, (_, at) => [
      call(10 + at, {kind: 'grantLease', ttlSeconds: 1}),
      answer(10 + at, {kind: 'granted', lease: `l${at}`}),
    ]).flat();
    const seen = [watch('w', 1), events('w', 1, putEvent(A1)), events('w', 2, putEvent(A2, A1))];
    const read = (found: KeyValue): HistoryEvent[] => [
      call(99, {kind: 'get', key: 'a'}),
      answer(99, got(found)),
    ];
    const check = (found: KeyValue): string =>
      checkHistory([...grants, ...WRITES, ...seen, ...read(found)], {maxSteps: 5000}).kind;
    assert.equal(check(A2), 'correct');
    assert.equal(check(A1), 'wrong', 'and not undecided');
  });

  it('reads back what it wrote, but for a last line that is not whole', () => {
    const text = formatHistory(WRITES);
    assert.deepEqual(parseHistory(text), WRITES);
    assert.deepEqual(parseHistory(text.slice(0, -10)), WRITES.slice(0, -1));
  });
});

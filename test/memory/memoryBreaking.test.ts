/** What somebody would try who wants to break shared memory: odd keys and values, damage, merges that misbehave, agents that come back in any order. */
import assert from 'node:assert/strict';
import {type Merge, merged} from '../../coordinator/memory/conflict/memoryConflict.ts';
import type {SharedMemory} from '../../coordinator/memory/sharedMemory.ts';
import {
  MemoryPut,
  type OfflineWrite,
  type VersionVector,
} from '../../coordinator/protocol/commands/memory.ts';
import {isProtocolError} from '../../coordinator/protocol/errors.ts';
import {MemoryConflictRecord} from '../../coordinator/protocol/model/memory.ts';
import type {JsonValue} from '../../coordinator/runtime/json.ts';
import {jsonDigest} from '../../coordinator/runtime/jsonDigest.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {readRecords} from '../../coordinator/store/records.ts';
import {client, keys, type PlacedAttempt, placeAttempt, putSession} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {type MemoryFixture, offlineWrite, sharedMemory} from './memoryFixture.ts';

const NOTHING: VersionVector = {store: '', revision: 0, writers: {}};

describe('shared memory under attack', () => {
  let test: TestStore;
  let fixture: MemoryFixture;
  let memory: SharedMemory;
  let ann: PlacedAttempt;
  let bob: PlacedAttempt;

  beforeEach(async () => {
    test = await openTestStore();
    await putSession(test.store, 's-1');
    fixture = await sharedMemory(test.store);
    memory = fixture.memory;
    ann = await placeAttempt(test.store, {taskId: 'ann', agentId: 'a-1'});
    bob = await placeAttempt(test.store, {taskId: 'bob', agentId: 'a-2'});
  });
  afterEach(async () => {
    fixture.dispose();
    await test.remove();
  });

  const put = (key: string, value: JsonValue) => memory.put({sessionId: 's-1', key, value}, client);
  const value = async (key: string) => (await memory.get({sessionId: 's-1', key}, client)).record?.value;
  const sync = (who: PlacedAttempt, writes: OfflineWrite[] = [], have = NOTHING) =>
    memory.sync('s-1', {have, writes}, who.principal);
  const conflicts = async () =>
    (await readRecords(test.store, MemoryConflictRecord, keys.memoryConflicts('s-1'))).records.map(
      ({value: record}) => record,
    );
  const kinds = ({outcomes}: Awaited<ReturnType<typeof sync>>) => outcomes.map(({kind}) => kind);
  /** A value changed behind everybody's back, as a bad disk or a wrong program does. */
  const damage = async (key: string, change: (text: string) => string): Promise<void> => {
    const at = keys.memoryKey('s-1', key);
    const kv = await test.store.get(at);
    await test.store.txn({then: [{kind: 'put', key: at, value: change(String(kv?.value))}]});
  };

  it('is no conflict to write anew what another agent has deleted and one has seen go', async () => {
    const {revision} = await put('k', 1);
    const clock = {hub: revision, 'run-b': 1};
    const gone = offlineWrite(bob, {
      sequence: 1,
      key: 'k',
      incarnation: 'run-b',
      base: {revision, value: 1},
      clock,
    });
    assert.deepEqual(kinds(await sync(bob, [gone])), ['applied']);
    const {vector} = await sync(ann);
    const anew = offlineWrite(ann, {
      sequence: 1,
      key: 'k',
      value: 2,
      clock: {hub: vector.revision, 'run-1': 1},
    });
    assert.deepEqual(kinds(await sync(ann, [anew])), ['applied']);
    assert.equal(await value('k'), 2);
  });

  it('keeps what an agent made on top of its own write that waits for a person', async () => {
    const {revision} = await put('k', {a: 1});
    await put('k', {a: 2});
    const first = offlineWrite(ann, {sequence: 1, key: 'k', value: {a: 3}, base: {revision, value: {a: 1}}});
    const second = offlineWrite(ann, {
      sequence: 2,
      key: 'k',
      value: {a: 3, b: 1},
      base: {revision, value: {a: 3}},
    });
    assert.deepEqual(kinds(await sync(ann, [first, second])), ['conflict', 'conflict']);
    assert.deepEqual(
      (await conflicts()).map(({mine, base}) => [mine.value, base?.value]),
      [[{a: 3, b: 1}, {a: 1}]],
    );
    // It takes back what was in conflict: now the rule can decide, and nobody has to.
    const third = offlineWrite(ann, {
      sequence: 3,
      key: 'k',
      value: {a: 1, b: 1},
      base: {revision, value: {a: 3, b: 1}},
    });
    assert.deepEqual(kinds(await sync(ann, [third])), ['resolved']);
    assert.deepEqual(await value('k'), {a: 2, b: 1});
    assert.deepEqual(await conflicts(), []);
  });

  it('tells replicas the rest when one value is damaged, and lets that one be told apart', async () => {
    for (const key of ['a', 'b', 'c']) await put(key, 1);
    await damage('a', text => text.replace('"value":1', '"value":2'));
    await damage('b', () => '{"not": "a record"}');
    const write = offlineWrite(ann, {sequence: 1, key: 'd', value: 1});
    const {outcomes, changes} = await sync(ann, [write]);
    assert.equal(outcomes[0]?.kind, 'applied');
    const well = changes.filter(
      ({entry}) => entry && jsonDigest(entry.record.value) === entry.record.checksum,
    );
    assert.deepEqual(
      [changes.map(({key}) => key).sort(), well.map(({key}) => key).sort()],
      [
        ['a', 'b', 'c', 'd'],
        ['c', 'd'],
      ],
    );
  });

  it('finds what was before a damaged version, as the error says', async () => {
    await put('k', 1);
    await put('k', 2);
    await damage('k', text => text.replace('"value":2', '"value":9'));
    await assert.rejects(value('k'), /does not match its checksum/);
    const {versions} = await memory.history({sessionId: 's-1', key: 'k', limit: 9}, client);
    assert.deepEqual(
      versions.map(each => each.kind === 'put' && each.record.value),
      [2, 1],
    );
  });

  it('refuses keys that no store could keep, and takes every other', async () => {
    const parse = (key: string) => MemoryPut.safeParse({sessionId: 's-1', key, value: 1}).success;
    const odd = [
      '__proto__',
      'constructor',
      '..',
      'a//b',
      'é/漢/😀',
      '%2f',
      '*',
      '**',
      '"',
      'x'.repeat(256),
      '漢'.repeat(128),
    ];
    for (const key of odd) {
      assert.ok(parse(key), key);
      await put(key, key);
    }
    for (const key of odd) assert.equal(await value(key), key);
    const {entries} = await memory.list({sessionId: 's-1', limit: 1000}, client);
    assert.deepEqual(new Set(entries.map(({key}) => key)), new Set(odd));
    for (const key of ['', '/a', 'a b', 'a\n', '漢'.repeat(129), '\ud800', 'x'.repeat(257)])
      assert.ok(!parse(key), key);
  });

  it('refuses values that are too deep to be walked, and goes on with what follows', async () => {
    const deep = (levels: number): JsonValue => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);
    await put('k', deep(100));
    assert.deepEqual(await value('k'), deep(100));
    await assert.rejects(put('k', deep(3000)), error => isProtocolError(error, 'tooLarge'));
    const writes = [
      offlineWrite(ann, {sequence: 1, key: 'deep', value: deep(1500)}),
      offlineWrite(ann, {sequence: 2, key: 'flat', value: 1}),
    ];
    assert.deepEqual(kinds(await sync(ann, writes)), ['refused', 'applied']);
  });

  for (const [how, merge] of [
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['makes no JSON', () => merged(JSON.parse('{}').missing)],
    [
      'makes what is endless',
      () => {
        const a: JsonValue[] = [];
        a.push(a);
        return merged(a);
      },
    ],
    ['answers nothing', () => JSON.parse('null')],
    [
      'changes what it is given',
      (_base, mine, theirs) => {
        for (const side of [mine, theirs]) Object.assign(Object(side), {a: 'broken'});
        throw new Error('half way');
      },
    ],
  ] as readonly (readonly [string, Merge])[])
    it(`leaves to a person what a registered merge does not merge because it ${how}`, async () => {
      memory.resolver.register('odd', merge);
      await memory.policy({set: {prefix: '', strategy: 'merge', merge: 'odd'}}, client);
      const {revision} = await put('k', {a: 1});
      await put('k', {a: 2});
      const write = offlineWrite(ann, {
        sequence: 1,
        key: 'k',
        value: {a: 3},
        base: {revision, value: {a: 1}},
      });
      const after = offlineWrite(ann, {sequence: 2, key: 'x', value: 1});
      assert.deepEqual(kinds(await sync(ann, [write, after])), ['conflict', 'applied']);
      assert.deepEqual(await value('k'), {a: 2});
      const [conflict] = await conflicts();
      assert.deepEqual([conflict?.mine.value, conflict?.theirs.value], [{a: 3}, {a: 2}]);
    });

  for (const order of ['ann, bob', 'bob, ann'] as const)
    it(`brings together two agents that were away for long, who come back as ${order}`, async () => {
      for (const [prefix, merge] of [
        ['n/', 'counter'],
        ['s/', 'set'],
        ['t/', 'text'],
      ] as const)
        await memory.policy({set: {prefix, strategy: 'merge', merge}}, client);
      const start: Record<string, JsonValue> = {
        j: {a: 0, b: 0},
        'n/k': 100,
        's/k': [1, 2, 3],
        't/k': 'one\ntwo\nthree\n',
      };
      const bases: Record<string, number> = {};
      for (const [key, each] of Object.entries(start)) bases[key] = (await put(key, each)).revision;
      const trail = (
        who: PlacedAttempt,
        incarnation: string,
        steps: Record<string, JsonValue[]>,
      ): OfflineWrite[] => {
        let sequence = 0;
        return Object.entries(steps).flatMap(([key, values]) =>
          values.map((each, at) => {
            const base = {revision: bases[key] ?? 0, value: values[at - 1] ?? start[key] ?? null};
            sequence++;
            return offlineWrite(who, {sequence, key, value: each, base, incarnation});
          }),
        );
      };
      const left = {
        ann: () =>
          sync(
            ann,
            trail(ann, 'run-a', {
              j: [
                {a: 1, b: 0},
                {a: 2, b: 0},
              ],
              'n/k': [105, 110],
              's/k': [
                [1, 2, 3, 4],
                [2, 3, 4],
              ],
              't/k': ['ONE\ntwo\nthree\n'],
            }),
          ),
        bob: () =>
          sync(
            bob,
            trail(bob, 'run-b', {
              j: [
                {a: 0, b: 5},
                {a: 0, b: 6, c: 1},
              ],
              'n/k': [93],
              's/k': [
                [1, 2, 3, 5],
                [1, 2, 5],
              ],
              't/k': ['one\ntwo\nTHREE\n', 'one\ntwo\nTHREE\nfour\n'],
            }),
          ),
      };
      await put('n/k', 1100);
      for (const who of order === 'ann, bob' ? (['ann', 'bob'] as const) : (['bob', 'ann'] as const))
        await left[who]();
      assert.deepEqual(await value('j'), {a: 2, b: 6, c: 1});
      assert.equal(await value('n/k'), 1100 + 10 - 7);
      assert.deepEqual(new Set((await value('s/k')) as JsonValue[]), new Set([2, 4, 5]));
      assert.equal(await value('t/k'), 'ONE\ntwo\nTHREE\nfour\n');
      assert.deepEqual(await conflicts(), []);
    });

  it('keeps three values for a person, each to be chosen over what is there by then', async () => {
    const {revision} = await put('k', 'base');
    await put('k', 'theirs');
    await sync(ann, [
      offlineWrite(ann, {sequence: 1, key: 'k', value: 'of ann', base: {revision, value: 'base'}}),
    ]);
    await sync(bob, [
      offlineWrite(bob, {sequence: 1, key: 'k', value: 'of bob', base: {revision, value: 'base'}}),
    ]);
    const [first, second] = await conflicts();
    assert.ok(first && second);
    assert.deepEqual(
      new Set([first.mine.value, second.mine.value, await value('k')]),
      new Set(['theirs', 'of ann', 'of bob']),
    );
    const choose = (conflictId: string, ifVersion?: number) =>
      memory.resolve({sessionId: 's-1', conflictId, choice: {kind: 'mine'}, ifVersion}, client);
    const {version} = await choose(first.id, first.theirs.version);
    assert.equal(await value('k'), first.mine.value);
    await assert.rejects(choose(second.id, second.theirs.version), error =>
      isProtocolError(error, 'conflict'),
    );
    await choose(second.id, version);
    assert.equal(await value('k'), second.mine.value);
    assert.deepEqual(await conflicts(), []);
  });

  it('counts right when many agents compare and set at once', async () => {
    const crowd = await Promise.all(
      Array.from({length: 12}, (_, at) => placeAttempt(test.store, {taskId: `t${at}`, agentId: `c-${at}`})),
    );
    const random = seededRandom(5);
    const climb = async ({fence, principal}: PlacedAttempt): Promise<void> => {
      for (let done = 0; done < 5; ) {
        const level = random.next() < 0.5 ? 'eventual' : 'strong';
        const {record, version} = await memory.get({sessionId: 's-1', key: 'n', level}, principal);
        const next = Number(record?.value ?? 0) + 1;
        try {
          await memory.put({sessionId: 's-1', key: 'n', value: next, ifVersion: version, fence}, principal);
          done++;
        } catch (error) {
          if (!isProtocolError(error, 'conflict')) throw error;
        }
      }
    };
    await Promise.all(crowd.map(climb));
    assert.equal(await value('n'), 60);
    assert.equal((await memory.get({sessionId: 's-1', key: 'n'}, client)).version, 60);
  });

  it('takes writes to one key from ever new runs, whose names it does not pile up', async () => {
    const known: Record<string, number> = {};
    for (let run = 0; run < 200; run++) {
      const incarnation = `a-rather-long-name-of-a-run-of-an-agent-${run}`;
      known[incarnation] = 1;
      const {revision} = await test.store.txn({then: [{kind: 'get', key: 'x'}]});
      const clock = {...known, hub: revision};
      const write = offlineWrite(ann, {
        sequence: 1,
        key: 'k',
        value: run,
        incarnation,
        clock,
        base: {revision: 1},
      });
      assert.deepEqual(kinds(await sync(ann, [write])), ['applied'], `run ${run}`);
    }
    const {record} = await memory.get({sessionId: 's-1', key: 'k'}, client);
    assert.ok(Object.keys(record?.clock ?? {}).length <= 32);
  });
});

import assert from 'node:assert/strict';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {rowKey, type ViewUpdate, type ViewWatch} from '../../coordinator/client/viewWatch.ts';
import {WatchService} from '../../coordinator/hub/watch/watchService.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {Row, WatchEvent} from '../../coordinator/protocol/commands/watch.ts';
import {ERROR_CODES} from '../../coordinator/protocol/errors.ts';
import {tenantKeys} from '../../coordinator/protocol/model/keys.ts';
import {extensionCapabilities, ownExtension} from '../../coordinator/protocol/negotiation.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {seededRandom, systemRandom} from '../../coordinator/runtime/random.ts';
import {putRecord} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {type JsonFrame, RawSocket} from '../hub/rawSocket.ts';
import {type HubFixture, hubFixture, registration} from '../hub/support.ts';
import {CuttingProxy} from './cuttingProxy.ts';

const keys = tenantKeys('default');
const written = {v: 1, principal: 'client:one'};

function memoryRecord(value: number): object {
  return {...written, value, timestamp: 1, checksum: '0'.repeat(64)};
}

function putMemory(store: Store, key: string, value: number): Promise<{revision: number}> {
  return store.txn({then: [putRecord(keys.memoryKey('s', key), memoryRecord(value))]});
}

/** Resolves when the view's cursor has reached `revision`. */
async function reached(watch: ViewWatch, revision: number): Promise<void> {
  const done = deferred<void>();
  const look = (): void => {
    if (watch.cursor && watch.cursor.revision >= revision) done.resolve();
  };
  const listening = watch.onUpdate(look);
  look();
  await done.promise;
  listening.dispose();
}

/** What the view of session `s`'s memory has to hold. */
async function storedMemory(store: Store): Promise<Map<string, unknown>> {
  const {kvs} = await store.range(keys.memory('s'));
  return new Map(
    kvs.map(kv => [
      `memory/${kv.key.slice(keys.memory('s').length)}`,
      (JSON.parse(kv.value) as {value: unknown}).value,
    ]),
  );
}

function mirrored(watch: ViewWatch): Map<string, unknown> {
  return new Map([...watch.rows].map(([key, row]) => [key, row.kind === 'memory' ? row.memory.value : row]));
}

describe('views of a client', () => {
  let test: TestStore;
  let fixture: HubFixture;
  let service: WatchService;
  const clients: McpxClient[] = [];

  async function setUp(
    settings: ConstructorParameters<typeof WatchService>[1]['settings'] = {},
  ): Promise<void> {
    test = await openTestStore();
    service = new WatchService(test.store, {
      clock: systemClock,
      logger: silentLogger,
      settings: {flushMs: 1, ...settings},
    });
    await service.start();
    fixture = await hubFixture({}, hub => service.register(hub));
  }

  function connect(token = 'client', url = fixture.url): McpxClient {
    const client = connectClient({
      urls: [url],
      token: () => token,
      openSocket: nodeSocket(),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      implementation: {name: 'test', version: '0'},
      settings: {minBackoffMs: 1, maxBackoffMs: 5},
      watchRetryMs: 5,
    });
    clients.push(client);
    return client;
  }

  afterEach(async () => {
    for (const client of clients.splice(0)) client.dispose();
    service.dispose();
    await fixture.close();
    await test.remove();
  });

  it('gets a snapshot, then every change', async () => {
    await setUp();
    await putMemory(test.store, 'a', 1);
    const updates: ViewUpdate[] = [];
    const watch = connect().watch({view: 'memory', sessionId: 's'}, update => updates.push(update));
    await reached(watch, 1);
    const {revision} = await putMemory(test.store, 'b', 2);
    await reached(watch, revision);
    const gone = await test.store.txn({then: [{kind: 'delete', key: keys.memoryKey('s', 'a')}]});
    await reached(watch, gone.revision);
    assert.deepEqual(mirrored(watch), new Map([['memory/b', 2]]));
    assert.deepEqual(
      updates.map(update => update.kind),
      ['snapshot', 'changes', 'changes'],
    );
  });

  it('shows an agent as online while its live key is there', async () => {
    await setUp();
    const {instance, incarnation, mode} = registration('a-1');
    const agent = {...written, instance, incarnation, mode, registeredAt: 1, draining: false};
    await test.store.txn({then: [putRecord(keys.agent('a-1'), agent)]});
    const watch = connect().watch({view: 'agents'});
    await reached(watch, 1);
    const online = (): boolean => (watch.rows.get('agent/a-1') as Extract<Row, {kind: 'agent'}>).online;
    assert.equal(online(), false);
    const live = {...written, incarnation, coordinator: 'c-1'};
    await reached(watch, (await test.store.txn({then: [putRecord(keys.agentLive('a-1'), live)]})).revision);
    assert.equal(online(), true);
    await reached(
      watch,
      (await test.store.txn({then: [{kind: 'delete', key: keys.agentLive('a-1')}]})).revision,
    );
    assert.equal(online(), false);
  });

  it('shows nothing of another tenant', async () => {
    await setUp();
    await putMemory(test.store, 'secret', 1);
    const watch = connect('other').watch({view: 'memory', sessionId: 's'});
    await reached(watch, 1);
    assert.equal(watch.rows.size, 0);
  });

  it('equals the store after any number of cuts, without a gap or a repeat', async function () {
    this.timeout(60_000);
    const seed = Number(process.env['MCPX_SEED'] ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    await setUp();
    const proxy = await CuttingProxy.open(fixture.port);
    try {
      const seen: number[] = [];
      let rowsSeen = 0;
      const watch = connect('client', `ws://127.0.0.1:${proxy.port}`).watch(
        {view: 'memory', sessionId: 's'},
        update => {
          if (update.kind === 'failed') return;
          assert.ok(update.kind === 'changes' || !update.reset, `seed ${seed}: no reset within the ring`);
          seen.push(update.cursor.revision);
          if (update.kind === 'changes') rowsSeen += update.upserts.length + update.deletes.length;
        },
      );
      let last = 0;
      for (let step = 0; step < 400; step++) {
        // Keys that are written once show a gap that a later write of the same key would hide.
        const key = random.next() < 0.5 ? `once-${step}` : `k${Math.floor(random.next() * 20)}`;
        const op =
          random.next() < 0.2
            ? ({kind: 'delete', key: keys.memoryKey('s', key)} as const)
            : putRecord(keys.memoryKey('s', key), memoryRecord(step));
        last = (await test.store.txn({then: [op]})).revision;
        if (random.next() < 0.05) proxy.cut();
        if (random.next() < 0.02) proxy.cutAfter(Math.floor(random.next() * 2000));
      }
      await putMemory(test.store, 'end', 1);
      await reached(watch, last + 1);
      assert.deepEqual(mirrored(watch), await storedMemory(test.store), `seed ${seed}`);
      for (let at = 1; at < seen.length; at++)
        assert.ok(
          (seen[at] ?? 0) > (seen[at - 1] ?? 0),
          `seed ${seed}: revision ${seen[at]} after ${seen[at - 1]}`,
        );
      assert.ok(proxy.cuts > 5 && rowsSeen > 0, `seed ${seed}: ${proxy.cuts} cuts`);
    } finally {
      await proxy.close();
    }
  });

  it('starts anew, and says so, when the recent changes do not reach back to its cursor', async () => {
    await setUp({ringRevisions: 5});
    const proxy = await CuttingProxy.open(fixture.port);
    try {
      const updates: ViewUpdate[] = [];
      const watch = connect('client', `ws://127.0.0.1:${proxy.port}`).watch(
        {view: 'memory', sessionId: 's'},
        update => updates.push(update),
      );
      await reached(watch, (await putMemory(test.store, 'a', 1)).revision);
      proxy.refuse(true);
      proxy.cut();
      for (let step = 0; step < 20; step++) await putMemory(test.store, `k${step}`, step);
      proxy.refuse(false);
      await reached(watch, 21);
      assert.deepEqual(mirrored(watch), await storedMemory(test.store));
      const resets = updates.filter(update => update.kind === 'snapshot' && update.reset);
      assert.equal(resets.length, 1);
    } finally {
      await proxy.close();
    }
  });

  it('resumes over a restart of the coordinator from the history of the store', async () => {
    await setUp();
    const updates: ViewUpdate[] = [];
    const {revision} = await putMemory(test.store, 'a', 1);
    const cursor = {store: test.store.status().incarnation, revision};
    await putMemory(test.store, 'b', 2);
    const second = new WatchService(test.store, {
      clock: systemClock,
      logger: silentLogger,
      settings: {flushMs: 1},
    });
    await second.start();
    const other = await hubFixture({}, hub => second.register(hub));
    const connection = other.connection('client', {
      handler: call => {
        if (call.method === 'mcpx.watch.event' && call.params.event.kind === 'changes')
          updates.push(call.params.event);
        got.resolve();
        return Promise.resolve({});
      },
    });
    const got = deferred<void>();
    const opened = await connection.request('mcpx.watch.open', {
      watchId: 'w',
      selector: {view: 'memory', sessionId: 's'},
      from: cursor,
    });
    assert.equal(opened.kind, 'resumed');
    await got.promise;
    second.dispose();
    await other.close();
    assert.deepEqual(
      updates.map(update => update.kind === 'changes' && update.upserts.map(rowKey)),
      [['memory/b']],
    );
  });

  /** Watches, stops reading, and goes on when more has changed than the sockets of a kernel take in. */
  async function slowReader(ringRevisions: number): Promise<{raw: RawSocket; last: number}> {
    await setUp({maxBacklogBytes: 128 * 1024, ringRevisions});
    const raw = await RawSocket.greeted(fixture.url);
    await raw.ask(1, 'mcpx.watch.open', {watchId: 'w', selector: {view: 'memory', sessionId: 's'}});
    await raw.next(frame => frame.method === 'mcpx.watch.event');
    raw.socket.pause();
    const big = {...memoryRecord(0), value: 'x'.repeat(60_000)};
    let last = 0;
    for (let step = 0; step < 60; step++) {
      const then = Array.from({length: 10}, (_, at) => putRecord(keys.memoryKey('s', `k${step}-${at}`), big));
      last = (await test.store.txn({then})).revision;
    }
    raw.socket.resume();
    return {raw, last};
  }

  const eventOf = (frame: JsonFrame): WatchEvent | undefined =>
    frame.params as unknown as WatchEvent | undefined;

  it('lets a client that reads slowly catch up, in order, with nothing left out', async function () {
    this.timeout(30_000);
    const {raw, last} = await slowReader(10_000);
    await raw.next(frame => {
      const event = eventOf(frame)?.event;
      return event?.kind === 'changes' && event.cursor.revision === last;
    });
    const all = raw.frames.flatMap(frame => eventOf(frame) ?? []);
    assert.deepEqual(
      all.map(({seq}) => seq),
      all.map((_, at) => at + 1),
    );
    const ids = all.flatMap(({event}) => (event.kind === 'changes' ? event.upserts.map(({id}) => id) : []));
    assert.deepEqual([ids.length, new Set(ids).size], [600, 600]);
  });

  it('resets a client that falls behind the recent changes; nothing is kept for it', async function () {
    this.timeout(30_000);
    const {raw} = await slowReader(20);
    await raw.next(frame => eventOf(frame)?.event.kind === 'reset');
    const all = raw.frames.flatMap(frame => eventOf(frame) ?? []);
    assert.deepEqual(
      all.map(({seq}) => seq),
      all.map((_, at) => at + 1),
    );
    const rows = all.reduce((sum, {event}) => sum + (event.kind === 'changes' ? event.upserts.length : 0), 0);
    assert.ok(rows < 400, `${rows} of 600 rows of 60 kB were buffered`);
  });

  it('sends a snapshot of many rows in chunks, at one revision', async () => {
    await setUp();
    const text = 'x'.repeat(20_000);
    for (let at = 0; at < 60; at += 20) {
      const then = Array.from({length: 20}, (_, step) =>
        putRecord(keys.memoryKey('s', `k${at + step}`), {...memoryRecord(0), value: text}),
      );
      await test.store.txn({then});
    }
    const raw = await RawSocket.greeted(fixture.url);
    await raw.ask(1, 'mcpx.watch.open', {watchId: 'w', selector: {view: 'memory', sessionId: 's'}});
    const isLast = (frame: JsonFrame): boolean => {
      const event = eventOf(frame)?.event;
      return event?.kind === 'rows' && event.complete;
    };
    await raw.next(isLast);
    const chunks = raw.frames.flatMap(({params}) =>
      params ? [(params as unknown as WatchEvent).event] : [],
    );
    assert.ok(chunks.length > 2);
    assert.equal(
      chunks.reduce((sum, chunk) => sum + (chunk.kind === 'rows' ? chunk.rows.length : 0), 0),
      60,
    );
    assert.deepEqual(
      new Set(chunks.map(chunk => chunk.kind === 'rows' && chunk.cursor.revision)),
      new Set([3]),
    );
  });

  it('tells several watches of one connection of a change in one frame, where that was declared', async () => {
    await setUp();
    const isEvent = (frame: JsonFrame): boolean => eventOf(frame)?.event.kind === 'changes';
    const eventsWith = async (features: readonly string[]): Promise<JsonFrame[]> => {
      const raw = await RawSocket.open(fixture.url);
      await raw.initialize(extensionCapabilities(ownExtension(features)));
      for (const watchId of ['a', 'b', 'c']) {
        await raw.ask(watchId, 'mcpx.watch.open', {watchId, selector: {view: 'memory', sessionId: 's'}});
        await raw.next(({params}) => params?.['watchId'] === watchId);
      }
      await putMemory(test.store, 'k', 1);
      await raw.next(isEvent);
      await raw.ask('after', 'ping');
      raw.socket.terminate();
      return raw.frames.filter(isEvent);
    };
    const [shared, ...more] = await eventsWith(['watch.shared']);
    assert.equal(more.length, 0);
    assert.deepEqual(shared?.params?.['also'], [
      {watchId: 'b', seq: 2},
      {watchId: 'c', seq: 2},
    ]);
    const single = await eventsWith(['sessions']);
    assert.deepEqual(
      single.map(({params}) => [params?.['watchId'], params?.['also']]),
      ['a', 'b', 'c'].map(watchId => [watchId, undefined]),
    );
  });

  it('refuses a watch that is open already, and too many', async () => {
    await setUp({maxWatches: 2});
    const raw = await RawSocket.greeted(fixture.url);
    const open = (id: number, watchId: string) =>
      raw.ask(id, 'mcpx.watch.open', {watchId, selector: {view: 'sessions'}});
    assert.ok((await open(1, 'a')).result);
    assert.equal((await open(2, 'a')).error?.code, ERROR_CODES.conflict);
    assert.ok((await open(3, 'b')).result);
    assert.equal((await open(4, 'c')).error?.code, ERROR_CODES.overloaded);
    await raw.ask(5, 'mcpx.watch.close', {watchId: 'a'});
    assert.ok((await open(6, 'c')).result);
  });

  it('shows approvals while they wait for a person, and no longer', async () => {
    await setUp();
    const approval = {
      ...written,
      id: 'p1',
      sessionId: 's',
      taskId: 't',
      request: {kind: 'decision', subject: 'losses', message: 'again?'},
      state: {kind: 'waiting'},
      askedAt: 1,
    };
    const put = (state: object) =>
      test.store.txn({then: [putRecord(keys.approval('s', 'p1'), {...approval, state})]});
    const {revision} = await put({kind: 'waiting'});
    const client = connect();
    const watches = [
      client.watch({view: 'approvals'}),
      client.watch({view: 'approvals', sessionId: 's'}),
      client.watch({view: 'session', sessionId: 's'}),
    ];
    for (const watch of watches) await reached(watch, revision);
    for (const {rows} of watches) assert.deepEqual([...rows.keys()], ['approval/s/p1']);
    const answered = await put({kind: 'withdrawn', at: 2});
    for (const watch of watches) await reached(watch, answered.revision);
    for (const {rows} of watches) assert.equal(rows.size, 0);
    const asked = await put({kind: 'waiting'});
    for (const watch of watches) await reached(watch, asked.revision);
    for (const {rows} of watches) assert.equal(rows.size, 1);
  });

  it('carries the cursor of a quiet view forward', async () => {
    await setUp({ringRevisions: 20});
    const watch = connect().watch({view: 'memory', sessionId: 'quiet'});
    await reached(watch, 0);
    for (let step = 0; step < 100; step++) await putMemory(test.store, 'loud', step);
    await reached(watch, 80);
    assert.equal(watch.rows.size, 0);
  });

  it('leaves out a record that cannot be read, and shows the others', async () => {
    await setUp();
    await test.store.txn({then: [{kind: 'put', key: keys.memoryKey('s', 'broken'), value: '{"v":1'}]});
    const watch = connect().watch({view: 'memory', sessionId: 's'});
    await reached(watch, (await putMemory(test.store, 'good', 1)).revision);
    await reached(
      watch,
      (await test.store.txn({then: [{kind: 'put', key: keys.memoryKey('s', 'late'), value: 'null'}]}))
        .revision,
    );
    assert.deepEqual([...watch.rows.keys()], ['memory/good']);
  });
});

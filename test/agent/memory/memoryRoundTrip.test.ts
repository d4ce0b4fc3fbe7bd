/** Replicas of two agents and the hub's own shared memory, over a link that fails at any step and agents that are killed: every write counts once. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {MemoryReplica} from '../../../coordinator/agent/memory/memoryReplica.ts';
import {WriteLog} from '../../../coordinator/agent/memory/writeLog.ts';
import type {SharedMemory} from '../../../coordinator/memory/sharedMemory.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {MemoryGet, MemoryPut, StateSync} from '../../../coordinator/protocol/commands/memory.ts';
import {ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {Emitter} from '../../../coordinator/runtime/emitter.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {type Random, seededRandom} from '../../../coordinator/runtime/random.ts';
import {client, type PlacedAttempt, placeAttempt, putSession} from '../../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../../fixtures/openTestStore.ts';
import {type MemoryFixture, sharedMemory} from '../../memory/memoryFixture.ts';
import {temporaryFolder} from '../supervisor/support.ts';

type Link = ConstructorParameters<typeof MemoryReplica>[0]['link'];

/** An agent whose process can be killed, and whose requests are lost on their way there, or their answers on the way back. */
class FrailAgent {
  replica: MemoryReplica | undefined;
  private log: WriteLog | undefined;
  private runs = 0;
  private up = false;
  frail = true;

  constructor(
    private readonly folder: string,
    private readonly hub: () => SharedMemory,
    readonly attempt: PlacedAttempt,
    private readonly random: Random,
  ) {}

  async start(): Promise<MemoryReplica> {
    const log = await WriteLog.open(this.folder, silentLogger);
    this.log = log;
    this.up = true;
    this.replica = new MemoryReplica({
      ...{log, link: this.link(), clock: systemClock, logger: silentLogger},
      incarnation: `${this.attempt.agentId}-run-${++this.runs}`,
      syncMs: 600_000,
      maxPendingBytes: 1 << 20,
    });
    return this.replica;
  }

  /** Without a farewell. */
  async kill(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    this.replica?.dispose();
    await this.log?.close();
  }

  private link(): Link {
    const onUp = new Emitter<void>();
    const onDown = new Emitter<void>();
    const agent = this;
    const call = async (method: string, params: unknown): Promise<unknown> => {
      if (!agent.up) throw new ProtocolError('unavailable', 'the link is down');
      const fate = agent.frail ? agent.random.next() : 1;
      const cut = (): never => {
        agent.up = false;
        onDown.emit();
        throw new ProtocolError('unavailable', 'the link was cut');
      };
      if (fate < 0.2) cut();
      const answer = await agent.answer(method, params);
      if (fate < 0.4) cut();
      return answer;
    };
    return {
      get isUp() {
        return agent.up;
      },
      onUp,
      onDown,
      request: call as Link['request'],
      deliver: call as Link['deliver'],
    };
  }

  mend(): void {
    this.up = true;
  }

  private async answer(method: string, params: unknown): Promise<unknown> {
    const {principal} = this.attempt;
    if (method === 'mcpx.memory.get') return this.hub().get(MemoryGet.parse(params), principal);
    if (method === 'mcpx.memory.put') return this.hub().put(MemoryPut.parse(params), principal);
    const {sessionId, replica} = StateSync.parse(JSON.parse(JSON.stringify(params)));
    assert.ok(method === 'mcpx.coordinate.state.sync' && replica);
    return this.hub().sync(sessionId, replica, principal);
  }
}

describe('shared memory between frail agents and the hub', function () {
  this.timeout(60_000);
  let test: TestStore;
  let folder: ReturnType<typeof temporaryFolder>;
  const fixtures: MemoryFixture[] = [];
  beforeEach(async () => {
    folder = temporaryFolder();
    test = await openTestStore();
    await putSession(test.store, 's-1');
  });
  afterEach(async () => {
    for (const each of fixtures.splice(0)) each.dispose();
    await test.remove();
    folder.remove();
  });

  for (let seed = 1; seed <= 6; seed++)
    it(`counts every write once, whatever was lost, whoever died (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      for (const writerId of ['c-1', 'c-2']) fixtures.push(await sharedMemory(test.store, {writerId}));
      // Agents come to one coordinator or to the other.
      const hub = (): SharedMemory => {
        const chosen = fixtures[random.next() < 0.5 ? 0 : 1];
        assert.ok(chosen);
        return chosen.memory;
      };
      await hub().policy({set: {prefix: '', strategy: 'merge', merge: 'counter'}}, client);
      const n = {sessionId: 's-1', key: 'n'};
      await hub().put({...n, value: 0}, client);
      const agents: FrailAgent[] = [];
      for (const agentId of ['a-1', 'a-2']) {
        const attempt = await placeAttempt(test.store, {taskId: agentId, agentId});
        const agent = new FrailAgent(path.join(folder.path, agentId), hub, attempt, random);
        await agent.start();
        agents.push(agent);
      }
      let expected = 0;
      for (let step = 0; step < 150; step++) {
        const agent = agents[random.next() < 0.5 ? 0 : 1];
        const replica = agent?.replica;
        assert.ok(agent && replica);
        const act = random.next();
        if (act > 0.9 && agent.frail) {
          // An answer that is lost would leave open whether it counts.
          agent.frail = false;
          // A loss that was on its way already may come in between.
          for (let made = false; !made; ) {
            agent.mend();
            const set = async (): Promise<number> => {
              const {value = 0, version} = await replica.retrieve('s-1', 'n', 'strong');
              await replica.store(agent.attempt, 'n', Number(value) + 100, {ifVersion: version});
              return Number(value) + 100;
            };
            const value = await set().catch(away);
            if (value === undefined) continue;
            await replica.store(agent.attempt, 'n', value + 1);
            made = true;
          }
          agent.frail = true;
          expected += 101;
        } else if (act < 0.1) await agent.kill();
        else if (act < 0.3) agent.mend();
        else if (act < 0.4) await replica.sync('s-1').catch(away);
        else if (act < 0.5) {
          const {record, version} = await hub().get(n, client);
          const written = await hub()
            .put({...n, value: Number(record?.value) + 1000, ifVersion: version}, client)
            .catch(() => undefined);
          if (written) expected += 1000;
        } else {
          const seen = await replica.retrieve('s-1', 'n').catch(away);
          if (!seen) continue;
          const by = 1 + Math.floor(random.next() * 9);
          await replica.store(agent.attempt, 'n', Number(seen.value ?? 0) + by);
          expected += by;
        }
      }
      for (const agent of agents) {
        agent.frail = false;
        agent.mend();
        await agent.replica?.sync('s-1');
        await agent.stop();
      }
      assert.equal((await hub().get(n, client)).record?.value, expected);
    });
});

function away(error: unknown): undefined {
  assert.ok(error instanceof ProtocolError || isCoordinatorError(error), String(error));
}

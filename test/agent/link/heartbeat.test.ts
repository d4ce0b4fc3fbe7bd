/** An agent says that it lives whatever its disk or its hub are doing. */
import assert from 'node:assert/strict';
import {Heartbeat, type HeartbeatOptions} from '../../../coordinator/agent/link/heartbeat.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {AgentLoad} from '../../../coordinator/protocol/instance.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';

const LOAD: AgentLoad = {running: 1, slots: 2, cpu: 0.5, freeMemoryMiB: 100};
const PERIOD_MS = 1000;

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

interface Sent {
  readonly load?: AgentLoad | undefined;
}

describe('heartbeat', () => {
  let clock: ManualClock;
  let sent: Sent[];
  let heartbeat: Heartbeat;

  const start = (load: HeartbeatOptions['load'], answered: Promise<void>): void => {
    clock = new ManualClock();
    sent = [];
    const request = async (_method: string, params: Sent): Promise<object> => {
      sent.push(params);
      await answered;
      return {id: 'c-1', status: 'ok', at: 0};
    };
    heartbeat = new Heartbeat({
      agentId: 'a-1',
      incarnation: 'inc-0001',
      clock,
      logger: silentLogger,
      request: request as HeartbeatOptions['request'],
      load,
      forgotten: () => assert.fail('forgotten'),
      replaced: () => assert.fail('replaced'),
    });
    heartbeat.start(PERIOD_MS);
  };
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await turn();
      await turn();
    }
  };

  afterEach(() => heartbeat.dispose());

  it('tells the load at every period', async () => {
    start(() => Promise.resolve(LOAD), Promise.resolve());
    await pass(5 * PERIOD_MS);
    assert.deepEqual(
      sent.map(({load}) => load),
      Array.from({length: 5}, () => LOAD),
    );
  });

  it('goes on with the load of before when the disk hangs', async () => {
    let calls = 0;
    start(() => (calls++ === 0 ? Promise.resolve(LOAD) : new Promise(() => undefined)), Promise.resolve());
    await pass(6 * PERIOD_MS);
    assert.ok(sent.length >= 5, `${sent.length} heartbeats`);
    assert.deepEqual(sent.at(-1)?.load, LOAD);
    assert.equal(calls, 2, 'one that hangs is not asked again');
  });

  it('goes on while the hub is slow to answer, up to three that wait', async () => {
    start(() => Promise.resolve(LOAD), new Promise(() => undefined));
    await pass(10 * PERIOD_MS);
    assert.equal(sent.length, 3);
  });
});

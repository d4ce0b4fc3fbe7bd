/** Zombies: agents that are taken for dead and come back. What they then try under their old fence has to be refused, and shown. */
import assert from 'node:assert/strict';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {isProtocolError, ProtocolError} from '../../coordinator/protocol/errors.ts';
import type {Fence} from '../../coordinator/protocol/ids.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import type {AttemptRecord, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import type {FleetAgent} from '../support/fleet.ts';
import {processesWith} from '../support/machine.ts';
import {found} from '../support/waiting.ts';
import type {Stage} from './inflict.ts';

/** On top of lease and grace: a busy machine, and time that counts only while another agent is free. */
const REPLACED_SLACK_MS = 60_000;
const REFUSED_TIMEOUT_MS = 20_000;
const KILLED_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
export const ZOMBIE_MEMORY = 'written/by/zombie';

/** The agent is stopped, its work goes on to its end; once it was given up, every effect under its old fence is tried in its name, and it wakes. */
export async function zombieAsleep(stage: Stage, holder: FleetAgent, held: AttemptRecord): Promise<void> {
  const {ground, hold} = stage;
  holder.process.pause();
  ground.release(hold);
  await givenUp(stage, held);
  // Its socket is as dead as the one of a machine that slept.
  holder.proxy?.reset();
  const imposter = await connectAs(stage, holder, held);
  try {
    await everyEffectIsRefused(stage, imposter, held);
  } finally {
    imposter.dispose();
  }
  await refused(stage, held, ['completion', 'memory', 'ref']);
  holder.process.resume();
  await nothingLeftOf(held);
}

/** The agent works on behind a cut socket; what it sent before it was given up arrives afterwards. */
export async function zombieLate(stage: Stage, holder: FleetAgent, held: AttemptRecord): Promise<void> {
  const {ground, hold} = stage;
  holder.proxy?.cut('webSockets');
  ground.release(hold);
  await givenUp(stage, held);
  holder.proxy?.heal();
  await refused(stage, held, ['ref']);
  await nothingLeftOf(held);
}

async function givenUp({run, tempo, hold}: Stage, held: AttemptRecord): Promise<void> {
  await run.until(
    ({attempts}) => (attempts.get(held.id)?.state === 'ended' ? true : undefined),
    tempo.leaseSeconds * 1000 + tempo.lossGraceMs + REPLACED_SLACK_MS,
    `${hold} to be given to another agent than ${held.agentId}`,
  );
  const {outcome} = run.state.attempts.get(held.id) ?? {};
  assert.equal(outcome, 'lost', `${held.id} was given up`);
}

/** A connection in the name of the very process that is stopped; nothing is placed on it. */
export async function connectAs(
  {fleet}: Pick<Stage, 'fleet'>,
  holder: Pick<FleetAgent, 'id'>,
  held: AttemptRecord,
): Promise<McpxClient> {
  const {instance, mode} = await recordOf(await fleet.connect(), holder.id);
  const client = connectClient({
    urls: [fleet.endpoint.url],
    token: () => fleet.endpoint.agentToken,
    openSocket: nodeSocket(),
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    implementation: {name: 'mcpx-test-zombie', version: '0'},
    onConnected: async peer => {
      await peer.request('mcpx.agent.register', {
        incarnation: held.agentIncarnation,
        mode,
        attempts: [],
        instance: {...instance, metadata: {...instance.metadata, reservedFor: 'nobody'}},
      });
    },
    handler: call =>
      Promise.reject(new ProtocolError('unavailable', `${call.method} is not for an imposter`)),
  });
  await client.whenConnected(CONNECT_TIMEOUT_MS);
  return client;
}

async function recordOf(client: McpxClient, agentId: string): Promise<AgentRecord> {
  const record = await new Promise<AgentRecord>(resolve => {
    const view = client.watch({view: 'agents'}, () => {
      const row = view.rows.get(`agent/${agentId}`);
      if (row?.kind === 'agent') resolve(row.agent);
    });
  });
  client.dispose();
  return record;
}

async function everyEffectIsRefused(stage: Stage, imposter: McpxClient, held: AttemptRecord): Promise<void> {
  const {run, hold} = stage;
  const fence = await fenceOf(stage, held);
  const commit = run.state.session?.workspace?.commit ?? '';
  const result = {summary: 'done by a zombie', commit};
  const wallNow = systemClock.wallNow();
  const effects: readonly (readonly [string, () => Promise<unknown>])[] = [
    [
      'a memory write',
      () =>
        imposter.request('mcpx.memory.put', {sessionId: run.id, key: ZOMBIE_MEMORY, value: 'brains', fence}),
    ],
    ['a ref', () => imposter.request('mcpx.ref.update', {attemptId: held.id, fence, name: hold, commit})],
    [
      'a completion',
      () =>
        imposter.request('mcpx.orchestrate.task.complete', {
          attemptId: held.id,
          fence,
          report: {outcome: 'succeeded', result},
          usage: NO_USAGE,
          startedAt: wallNow,
          endedAt: wallNow,
          activeMs: 1,
        }),
    ],
  ];
  for (const [what, attempt] of effects)
    await assert.rejects(
      attempt,
      error => isProtocolError(error, 'staleFence'),
      `${what} under the old fence of ${held.id} is refused as stale`,
    );
}

/** The live key is put by the transaction that puts the attempt's record: its revision is the fence. */
export async function fenceOf({run}: Pick<Stage, 'run'>, held: AttemptRecord): Promise<Fence> {
  const first = run.seen.find(({row}) => row.kind === 'attempt' && row.attempt.id === held.id);
  assert.equal(first?.by, 'change', `the assignment of ${held.id} was seen when it happened`);
  const {store} = await run.client.request('mcpx.cluster.info', {});
  return {store: store.incarnation, attempt: held.id, revision: first?.revision ?? 0};
}

export async function refused(
  {run}: Pick<Stage, 'run'>,
  held: AttemptRecord,
  effects: readonly RefusalRecord['effect'][],
): Promise<void> {
  await run.until(
    ({refusals, attempts}) => {
      const own = refusals.filter(refusal => refusal.attemptId === held.id).map(refusal => refusal.effect);
      const isShown = effects.every(effect => own.includes(effect));
      return isShown && attempts.get(held.id)?.outcome === 'stale' ? true : undefined;
    },
    REFUSED_TIMEOUT_MS,
    `the refusals of ${effects.join(', ')} of ${held.id}`,
  );
}

export async function nothingLeftOf(held: AttemptRecord): Promise<void> {
  const gone = () => (processesWith('MCPX_ATTEMPT_ID', held.id).length === 0 ? true : undefined);
  await found(gone, KILLED_TIMEOUT_MS, `the processes of the zombie ${held.id} to be killed`);
}

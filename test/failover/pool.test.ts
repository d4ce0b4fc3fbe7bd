/** The pool with real processes: agents come with the work and go when there is none; the dead are replaced; whoever is not heard is seen. */
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import type {PoolStatus} from '../../coordinator/protocol/commands/pool.ts';
import type {AgentRecord} from '../../coordinator/protocol/model/agent.ts';
import {Fleet} from '../support/fleet.ts';
import {processesWith, signal} from '../support/machine.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 90_000;

function plan(tasks: number, seconds: number): string {
  const each = Array.from({length: tasks}, (_, n) => `  - {id: t${n}, run: "sleep ${seconds}"}`);
  return `name: load\nworkspace: none\ntasks:\n${each.join('\n')}\n`;
}

describe('a pool of agents', function () {
  this.timeout(240_000);
  let fleet: Fleet;
  let client: McpxClient;
  afterEach(() => fleet.close());

  async function start(settings: Readonly<Record<string, string | number>>): Promise<void> {
    const sets = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    fleet = await Fleet.start({coordinatorArgs: sets});
    client = await fleet.connect();
  }

  const status = (): Promise<PoolStatus> => client.request('mcpx.pool.status', {});
  const until = (what: string, look: (pool: PoolStatus) => boolean): Promise<PoolStatus> => {
    let last: PoolStatus | undefined;
    return found(
      async () => {
        last = await status();
        return look(last) ? last : undefined;
      },
      PATIENCE_MS,
      () => `${what}: ${JSON.stringify(last)}\n${fleet.coordinator.log()}`,
    );
  };
  const working = ({agents}: PoolStatus): string[] =>
    agents
      .filter(({online, member}) => online && member.state === 'running')
      .map(({member}) => member.agentId);
  /** The pid of an agent's own process. */
  const pidOf = (agentId: string): number | undefined =>
    processesWith('FLEET_OF_TEST', fleet.folder).find(({command}) =>
      command.includes(` agent --join ${fleet.endpoint.url} --id ${agentId} `),
    )?.pid;
  const mcpx = (...args: string[]): string =>
    execFileSync(process.execPath, [BUNDLE, ...args, '--connect', fleet.endpoint.url], {
      encoding: 'utf8',
      env: {...process.env, MCPX_TOKEN: fleet.endpoint.token, MCPX_HOME: path.join(fleet.folder, 'home')},
    });

  it('grows with a plan, replaces an agent that is killed, and is empty again afterwards', async () => {
    await start({
      ...{poolMax: 3, poolSlots: 1, poolTargetWaitMs: 1000, poolCooldownMs: 1000},
      ...{poolAgentArgs: '--claude off', lossGraceMs: 2000},
    });
    assert.deepEqual((await status()).agents, []);
    const run = await SessionRun.start(fleet, {plan: plan(8, 4)});
    await until('three agents', pool => working(pool).length === 3);
    const attempt = await run.until(
      ({attempts}) =>
        [...attempts.values()].find(({state, agentId}) => state === 'running' && agentId === 'pool-1'),
      PATIENCE_MS,
      'pool-1 to work',
    );
    const pid = pidOf('pool-1');
    assert.ok(pid !== undefined && signal(pid, 'SIGKILL'));
    await found(
      () => ((pidOf('pool-1') ?? pid) === pid ? undefined : true),
      PATIENCE_MS,
      'another process of pool-1',
    );
    const ended = await run.ended(PATIENCE_MS);
    assert.equal(ended.state, 'succeeded', run.describe());
    const again = [...run.state.attempts.values()].filter(({taskId}) => taskId === attempt.taskId);
    assert.deepEqual(
      again.map(({outcome}) => outcome).sort(),
      ['lost', 'succeeded'],
      'what the dead one ran was done again, as a loss',
    );
    await until('nobody', pool => pool.agents.length === 0);
    await found(() => (pidOf('pool-1') === undefined ? true : undefined), PATIENCE_MS, 'the end of pool-1');
    const text = mcpx('pool', 'status');
    assert.match(text, /0 agents by localProcesses, 0 to 3 of 1 slots each, as the work demands/);
    assert.match(mcpx('agents', '--all'), /^No agents/, 'who was sent away is forgotten');
    run.dispose();
  });

  it('is as large as a person wants, by any command, and ends no agent that works', async () => {
    const folder = '"$FLEET_OF_TEST"';
    const agent = `"${process.execPath}" "${BUNDLE}" agent --join {url} --id {id} --state ${folder}/{id} --slots {slots}`;
    await start({
      ...{poolMax: 4, poolSlots: 1, poolProvider: 'command', leaseSeconds: 3, lossGraceMs: 500},
      poolStart: `${agent} --claude off > ${folder}/{id}.log 2>&1 & echo $! > ${folder}/{id}.pid; echo started {id} >> ${folder}/said`,
      poolStop: `kill $(cat ${folder}/{id}.pid) 2> /dev/null; echo stopped {id} >> ${folder}/said`,
    });
    mcpx('pool', 'scale', '2');
    await until('two agents', pool => working(pool).join() === 'pool-1,pool-2');
    assert.throws(() => mcpx('pool', 'scale', '5'), /more than the setting poolMax/);

    const killed = Number(readFileSync(path.join(fleet.folder, 'pool-2.pid'), 'utf8'));
    assert.ok(signal(killed, 'SIGKILL'));
    await found(
      () => {
        const now = Number(readFileSync(path.join(fleet.folder, 'pool-2.pid'), 'utf8'));
        return now !== 0 && now !== killed ? true : undefined;
      },
      PATIENCE_MS,
      () => `pool-2 to be replaced:\n${fleet.coordinator.log()}`,
    );
    await until('two agents again', pool => working(pool).join() === 'pool-1,pool-2');

    const run = await SessionRun.start(fleet, {plan: plan(1, 6)});
    const {agentId: busy} = await run.running('t0', PATIENCE_MS);
    mcpx('pool', 'scale', '0');
    await until('the idle one to go', pool => pool.agents.length === 1);
    assert.deepEqual(
      (await status()).agents.map(({member}) => member.agentId),
      [busy],
    );
    assert.equal((await run.ended(PATIENCE_MS)).state, 'succeeded', run.describe());
    assert.equal([...run.state.attempts.values()].length, 1);
    await until('nobody', pool => pool.agents.length === 0);
    const said = readFileSync(path.join(fleet.folder, 'said'), 'utf8');
    for (const id of ['pool-1', 'pool-2']) assert.match(said, new RegExp(`stopped ${id}`));
    run.dispose();
  });

  it('hands its work to an agent that joined when the mode changes, one attempt at a time, and is gone then', async () => {
    await start({mode: 'internal', poolMax: 2, poolMin: 2, poolSlots: 1, poolAgentArgs: '--claude off'});
    await fleet.startAgent({id: 'a-1', slots: 1, args: ['--claude', 'off']});
    await fleet.whenOnline(['a-1']);
    await until('two agents', pool => working(pool).length === 2);
    assert.match(mcpx('mode'), /mode internal, by its setting\n2 internal and 1 external agents take work\n/);
    const run = await SessionRun.start(fleet, {plan: plan(2, 10)});
    await Promise.all(['t0', 't1'].map(id => run.running(id, PATIENCE_MS)));
    const text = mcpx('mode', 'external', '--give-back');
    assert.match(text, /mode external, chosen by \S+ on .*; its setting says internal/);
    await until('nobody', pool => pool.agents.length === 0);
    assert.match(mcpx('pool', 'status'), /0 needed: mode external gives them no work/);
    assert.equal((await run.ended(PATIENCE_MS)).state, 'succeeded', run.describe());
    const attempts = [...run.state.attempts.values()];
    const cut = attempts.filter(({outcome}) => outcome === 'cancelled');
    // There was one slot: one of the two moved there, the other ended where it was.
    assert.equal(cut.length, 1, run.describe());
    assert.deepEqual(
      attempts.filter(({taskId}) => taskId === cut[0]?.taskId).map(({agentId}) => agentId)[1],
      'a-1',
    );
    assert.equal(attempts.length, 3, run.describe());
    run.dispose();
  });

  it('sees an agent that hangs before its lease ends, and takes it back', async () => {
    await start({leaseSeconds: 12});
    await fleet.startAgent({id: 'a-1', args: ['--claude', 'off']});
    await fleet.whenOnline(['a-1']);
    assert.match(mcpx('agents'), /^a-1 {2}idle for .* {2}2 slots {2}claude: disabled/);
    const seen: AgentRecord[] = [];
    const view = client.watch({view: 'agents'}, () => {
      for (const row of view.rows.values())
        if (row.kind === 'agent' && row.online && row.agent.trouble !== undefined) seen.push(row.agent);
    });
    const {pid} = fleet.agent('a-1').process;
    signal(pid, 'SIGSTOP');
    const silent = await found(() => seen[0], PATIENCE_MS, 'the agent to be unreachable under its lease');
    assert.equal(silent.instance.status, 'unreachable');
    assert.match(silent.trouble ?? '', /no heartbeat for \d+\.\d s/);
    assert.match(mcpx('agents'), /a-1 {2}unreachable for .* {2}0 of 2 slots/);
    view.dispose();
    signal(pid, 'SIGCONT');
    await found(() => (/idle/.test(mcpx('agents')) ? true : undefined), PATIENCE_MS, 'the agent to be back');
  });
});

/** Coordinators and agents that find each other by multicast DNS and SRV records, as real processes, on the loopback interface alone. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import path from 'node:path';
import {promisify} from 'node:util';
import * as z from 'zod';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {certificatePin} from '../../coordinator/security/certificates.ts';
import {startDns} from '../discovery/dnsResponder.ts';
import {freeUdpPort} from '../discovery/freeUdpPort.ts';
import {Fleet} from '../support/fleet.ts';
import {freePort} from '../support/freePorts.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {BUNDLE, VerbProcess} from '../support/verbProcess.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 60_000;
const PLAN = 'name: one\nworkspace: none\ntasks: [{id: a, run: "echo a"}]\n';
const Discovered = z.object({
  services: z.array(
    z.object({kind: z.string(), id: z.string(), url: z.string(), health: z.object({kind: z.string()})}),
  ),
});

describe('discovery on the network', function () {
  this.timeout(180_000);
  let fleet: Fleet;
  let client: McpxClient;
  let env: Record<string, string>;
  const agents: VerbProcess[] = [];
  beforeEach(async () => {
    const port = String(await freeUdpPort());
    env = {MCPX_MULTICAST_INTERFACE: '127.0.0.1', MCPX_MULTICAST_PORT: port};
  });
  afterEach(async () => {
    for (const agent of agents.splice(0)) await agent.kill();
    await fleet.close();
  });

  async function start(...args: string[]): Promise<void> {
    const {MCPX_MULTICAST_INTERFACE: only, MCPX_MULTICAST_PORT: port} = env;
    const multicast = ['--announce', '--set', `multicastInterface=${only}`, `multicastPort=${port}`];
    fleet = await Fleet.start({
      env: {...env, MCPX_DIAL_TOKEN: 'token-of-dialled'},
      coordinatorArgs: [...multicast, ...args],
    });
    client = await fleet.connect();
  }
  function agent(id: string, token: string, ...args: string[]): VerbProcess {
    const made = new VerbProcess({
      name: id,
      args: ['agent', '--id', id, '--state', path.join(fleet.folder, id), '--claude', 'off', ...args],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: fleet.folder,
        FLEET_OF_TEST: fleet.folder,
        ...env,
        MCPX_TOKEN: token,
      },
      logFile: path.join(fleet.folder, `${id}.log`),
    });
    made.start();
    agents.push(made);
    return made;
  }
  const joined = (id: string, process: VerbProcess): Promise<true> =>
    found(
      async () => {
        const {agents: all} = await client.request('mcpx.agent.discover', {});
        return all.some(instance => instance.id === id) ? true : undefined;
      },
      PATIENCE_MS,
      () => `${id} to join:\n${process.log()}\n${fleet.coordinator.log()}`,
    );
  const discover = async (...args: string[]) => {
    const all = [BUNDLE, 'discover', '--json', ...args];
    const {stdout} = await promisify(execFile)(process.execPath, all, {env: {...process.env, ...env}});
    return Discovered.parse(JSON.parse(stdout)).services;
  };
  async function works(agentId: string): Promise<void> {
    const run = await SessionRun.start(fleet, {plan: PLAN});
    assert.equal((await run.ended(PATIENCE_MS)).state, 'succeeded', run.describe());
    assert.deepEqual(
      [...run.state.attempts.values()].map(attempt => attempt.agentId),
      [agentId],
    );
    run.dispose();
  }

  it('an agent joins the coordinator that announces itself', async () => {
    await start();
    const [hub] = await discover();
    assert.deepEqual([hub?.kind, hub?.url, hub?.health.kind], ['coordinator', fleet.endpoint.url, 'healthy']);
    await joined('a-auto', agent('a-auto', fleet.endpoint.agentToken, '--join', 'auto'));
    await works('a-auto');
    await fleet.coordinator.stop();
    assert.deepEqual(await discover('--wait', '500'), [], 'it said goodbye');
  });

  it('with TLS an agent shows its token to the authority alone that its pin names', async () => {
    await start('--tls');
    const {agentToken, ca = ''} = fleet.endpoint;
    const unpinned = agent('a-unpinned', agentToken, '--join', 'auto');
    assert.notEqual((await unpinned.exit).code, 0);
    assert.match(unpinned.log(), /nobody to show a token to: wss:/);
    const other = `sha256:${'A'.repeat(43)}`;
    const wrong = agent('a-wrong', agentToken, '--join', 'auto', '--ca-pin', other);
    assert.notEqual((await wrong.exit).code, 0);
    await joined('a-pinned', agent('a-pinned', agentToken, '--join', 'auto', '--ca-pin', certificatePin(ca)));
  });

  it('a coordinator dials the agents that announce where they listen, and shows whether they answer', async () => {
    await start();
    const args = ['--join', fleet.endpoint.url, '--listen', '127.0.0.1:0', '--announce'];
    const listening = agent('a-listens', 'token-of-dialled', ...args);
    await joined('a-listens', listening);
    const {found: services} = await client.request('mcpx.agent.discover', {});
    assert.deepEqual(
      services.map(({kind, id, source, health}) => [kind, id, source, health]),
      [['agent', 'a-listens', 'multicast', 'healthy']],
    );
    await listening.stop();
    await found(
      async () => ((await client.request('mcpx.agent.discover', {})).found.length === 0 ? true : undefined),
      PATIENCE_MS,
      'its goodbye',
    );
  });

  it('an agent joins by SRV records, and a coordinator dials by them', async () => {
    const records = new Map();
    const dns = await startDns(records);
    try {
      await start(
        '--set',
        'discoveryDns=_agents.example.org',
        `discoveryDnsServer=${dns.address}`,
        'discoveryDnsMs=200',
      );
      const at = (url: string) => [
        {target: 'localhost', port: Number(new URL(url).port), priority: 0, weight: 0},
      ];
      records.set('_mcpx._tcp.example.org', at(fleet.endpoint.url));
      const join = `dns:_mcpx._tcp.example.org@${dns.address}`;
      await joined('a-dns', agent('a-dns', fleet.endpoint.agentToken, '--join', join));
      const port = await freePort();
      const address = ['--join', fleet.endpoint.url, '--listen', `127.0.0.1:${port}`];
      const listening = agent('a-named', 'token-of-dialled', ...address);
      records.set('_agents.example.org', at(`ws://localhost:${port}`));
      await joined('a-named', listening);
    } finally {
      await dns.close();
    }
  });
});

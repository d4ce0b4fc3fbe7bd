/** Servers of an existing `.mcp.json` behind the hub, used by the Claude Code of attempts on agents of the coordinator's own and on ones that joined. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {OrchestrationMode} from '../../coordinator/protocol/model/mode.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Answer, ToolClient} from '../mcp/tools/toolClient.ts';
import {Fleet} from '../support/fleet.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const LEGACY = fileURLToPath(new URL('../gateway/servers/legacyServer.mjs', import.meta.url));
const PATIENCE_MS = 90_000;
const SERVERS = 12;

/** Each task asks a server of its own. */
const SCRIPT = `tasks:
  first: {turns: [{calls: [{tool: mcp__mcpx__snow-3__echo, input: {text: "from {{task}}"}}]}, Done.]}
  second: {turns: [{calls: [{tool: mcp__mcpx__snow-11__echo, input: {text: "from {{task}}"}}]}, Done.]}
`;
const PLAN = `name: domains
workspace: none
defaults: {hubTools: true, budgetUsd: 1}
tasks:
  - {id: first, prompt: Ask the server of the third domain.}
  - {id: second, prompt: Ask the server of the last one.}
`;

describe('servers of an existing setup', function () {
  this.timeout(300_000);
  let folder: string;
  let script: RehearsalServer;
  let fleet: Fleet;
  let client: McpxClient;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-modes-'));
    const file = path.join(folder, '.mcp.json');
    const servers = Array.from({length: SERVERS}, (_, at) => [
      `snow-${at}`,
      {command: 'node', args: [LEGACY, '--label', `s${at}`]},
    ]);
    writeFileSync(file, JSON.stringify({mcpServers: Object.fromEntries(servers)}));
    script = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(SCRIPT, 'script'),
    });
    const pool = {mode: 'internal', poolMax: 1, poolMin: 1, poolSlots: 1, poolAgentArgs: '--rehearsal'};
    fleet = await Fleet.start({
      env: script.env,
      coordinatorArgs: [
        '--servers',
        file,
        ...Object.entries(pool).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
      ],
    });
    client = await fleet.connect();
    await fleet.startAgent({id: 'joined', slots: 1, rehearsal: true});
    await fleet.whenOnline(['joined', 'pool-1']);
  });
  after(async () => {
    await fleet?.close();
    await script?.stop();
    rmSync(folder, {recursive: true, force: true});
  });

  const workedOn: Readonly<Record<OrchestrationMode, readonly string[]>> = {
    internal: ['pool-1'],
    external: ['joined'],
    hybrid: ['joined', 'pool-1'],
    auto: ['joined', 'pool-1'],
  };
  for (const mode of ['internal', 'hybrid', 'external'] as const)
    it(`work unchanged for attempts in mode ${mode}`, async () => {
      await client.request('mcpx.mode.set', {mode});
      await found(
        async () => {
          const {servers} = await client.request('mcpx.server.list', {});
          return servers.length === SERVERS && servers.every(({state}) => state === 'ready')
            ? true
            : undefined;
        },
        PATIENCE_MS,
        'all servers to be ready',
      );
      const run = await SessionRun.start(fleet, {plan: PLAN, rehearsal: true});
      const ended = await run.ended(PATIENCE_MS);
      assert.equal(ended.state, 'succeeded', run.describe());
      const agents = [...new Set([...run.state.attempts.values()].map(({agentId}) => agentId))].sort();
      assert.deepEqual(agents, workedOn[mode], run.describe());
      const hub = await ToolClient.open(fleet.endpoint);
      for (const taskId of ['first', 'second']) {
        const {transcript} = await hub.call('task_result', {sessionId: run.id, taskId, events: 100});
        assert.ok(
          transcript.some(({kind, text}: Answer) => kind === 'output' && text === `from ${taskId}`),
          JSON.stringify(transcript),
        );
      }
      await hub.close();
      run.dispose();
    });
});

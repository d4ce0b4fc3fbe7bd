/** The package as a stranger has it: packed, unpacked beside their own files, checked by their compiler and run by their Node. */
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Fleet} from '../support/fleet.ts';
import {Running} from './person.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Uses every method and looks into what each resolves with. */
const PROGRAM = `
import {connect, isProtocolError, openBridge, type ProtocolBridge, task, type Candidate, type DistributedOrchestrator, type DistributionPlan, type ExecutionUpdate, type LoadBalancingStrategy} from 'mcpx';

const orchestrator: DistributedOrchestrator & {close(): void} = await connect({url: 'ws://127.0.0.1:1', timeoutMs: 1});
const session = await orchestrator.createSession({plan: {name: 'typed', tasks: [{id: 'a', run: 'true', timeout: '10m'}]}});
const {etaMs, fraction}: {etaMs?: number; fraction: number} = session.progress;
const one = await orchestrator.orchestrateTask(task({id: 'b', prompt: 'Say hello.'}), session, {signal: AbortSignal.timeout(1000)});
if (one.outcome.kind === 'succeeded') console.log(one.outcome.result?.summary, etaMs, fraction);
else if (one.outcome.kind === 'failed') console.log(one.outcome.failure?.kind === 'gate');
// @ts-expect-error a task has a prompt, not a promt
task({id: 'c', promt: 'x'});
const agents = await orchestrator.getAvailableAgents({status: ['idle'], capabilities: [{domain: 'development'}]});
for (const answer of (await orchestrator.distributeTask(task({id: 'd', run: 'true'}), agents)).agents)
  console.log(answer.kind === 'ran' ? answer.result.attempts.length : answer.agentId);
const plan: DistributionPlan = await orchestrator.planDistribution({tasks: [task({id: 'e', run: 'true'})], agents});
console.log(plan.assignments[0]?.reasons, plan.finishMs);
const least = ({running, slots}: Candidate): number => running / slots;
export const mine: LoadBalancingStrategy = {
  name: 'mine',
  optimize: async (candidates, {id: taskId}) =>
    [...candidates].sort((a, b) => least(a) - least(b)).map((one, at) => ({agentId: one.instance.id, taskId, score: -at, features: {load: least(one)}})),
};
const seen: ExecutionUpdate['kind'][] = [];
for await (const update of orchestrator.monitorExecution(session.id)) seen.push(update.kind);
await orchestrator.updateSharedState(session.id, [{kind: 'put', key: 'k', value: {a: [1]}}, {kind: 'delete', key: 'l'}]);
const value = (await orchestrator.getSharedState(session.id)).entries.get('k')?.record.value;
const {agents: synced} = await orchestrator.syncState(session.id, agents.map(({id}) => id));
console.log(value, synced.filter(agent => agent.kind === 'unreachable').map(agent => agent.error));
const [first] = agents;
if (first) await orchestrator.registerAgent(first, {token: 't'}).catch(error => isProtocolError(error, 'forbidden'));
await orchestrator.deregisterAgent('x');
const again: null | {readonly id: string} = await orchestrator.getSession('s');
await orchestrator.terminateSession('s', {mode: 'drain'});
orchestrator.close();
const bridge: ProtocolBridge & {dispose(): void} = openBridge({token: url => (url.startsWith('wss') ? 't' : undefined), coordinator: 'ws://127.0.0.1:1'});
const agreed = await bridge.negotiateProtocol('ws://127.0.0.1:1');
if (agreed.kind === 'mcpx' && (await bridge.supportsFeature('ws://127.0.0.1:1', 'watch'))) console.log(agreed.features.size);
const connection = await bridge.establishConnection({id: 'a', endpoint: '/agents/a'});
const answer = await connection.send({jsonrpc: '2.0', id: 1, method: 'tools/list'}, {timeoutMs: 5});
console.log(answer?.error?.code, answer?.orchestration?.sessionId);
await Promise.all([bridge.maintainConnection(connection), bridge.closeConnection(connection.id)]);
bridge.dispose();
export {again};
`;

describe('the library', function () {
  this.timeout(180_000);
  let scratch: string;

  before(() => {
    scratch = mkdtempSync(path.join(tmpdir(), 'mcpx-library-'));
    // Without its scripts: what is built already is what is packed.
    const packed = execFileSync(
      'npm',
      ['pack', '--ignore-scripts', '--json', '--loglevel=error', '--pack-destination', scratch],
      {cwd: ROOT, encoding: 'utf8', shell: process.platform === 'win32'},
    );
    const [{filename}] = JSON.parse(packed);
    execFileSync('tar', ['-xzf', path.join(scratch, filename), '-C', scratch]);
    const modules = path.join(scratch, 'node_modules');
    mkdirSync(modules);
    cpSync(path.join(scratch, 'package'), path.join(modules, 'mcpx'), {recursive: true});
    // What an installation would bring, and nothing else.
    const {dependencies} = JSON.parse(readFileSync(path.join(modules, 'mcpx/package.json'), 'utf8'));
    for (const name of [...Object.keys(dependencies), '@types/node']) {
      mkdirSync(path.dirname(path.join(modules, name)), {recursive: true});
      symlinkSync(path.join(ROOT, 'node_modules', name), path.join(modules, name), 'junction');
    }
    writeFileSync(path.join(scratch, 'package.json'), '{"type": "module"}');
  });
  after(() => rmSync(scratch, {recursive: true, force: true}));

  for (const resolution of ['nodenext', 'bundler'] as const)
    it(`has types for every method (${resolution})`, () => {
      writeFileSync(path.join(scratch, 'program.ts'), PROGRAM);
      const module = resolution === 'bundler' ? 'esnext' : 'nodenext';
      const options = [
        ...['--noEmit', '--strict', '--target', 'es2022', '--module', module],
        ...['--moduleResolution', resolution, '--types', 'node', '--skipLibCheck', 'false'],
      ];
      try {
        execFileSync(
          process.execPath,
          [path.join(ROOT, 'node_modules/typescript/bin/tsc'), ...options, 'program.ts'],
          {cwd: scratch, encoding: 'utf8'},
        );
      } catch (error) {
        assert.fail(String((error as {stdout?: string}).stdout));
      }
    });

  it('runs the example against a coordinator that it finds by itself', async () => {
    cpSync(path.join(ROOT, 'examples/program/team.mjs'), path.join(scratch, 'team.mjs'));
    const fleet = await Fleet.start();
    try {
      for (const id of ['a-1', 'a-2']) await fleet.startAgent({id, args: ['--claude', 'off']});
      await fleet.whenOnline(['a-1', 'a-2']);
      const home = path.join(scratch, 'home');
      const {url, token} = fleet.endpoint;
      mkdirSync(path.join(home, 'coordinator'), {recursive: true});
      writeFileSync(path.join(home, 'coordinator/endpoint.json'), JSON.stringify({url, token}));
      const env = {PATH: process.env['PATH'] ?? '', HOME: home, MCPX_HOME: home};
      const child = spawn(process.execPath, ['team.mjs'], {
        cwd: scratch,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const {code, stdout, stderr} = await new Running(child).ended;
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.equal(stdout, 'a-1 succeeded\na-2 succeeded\nmachines: succeeded, 100% of the work is done\n');
      assert.match(stderr, /count: succeeded/);
    } finally {
      await fleet.close();
    }
  });
});

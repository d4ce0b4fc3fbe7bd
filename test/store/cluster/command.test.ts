/** `mcpx coordinator --cluster` and `mcpx cluster` as a person uses them: founding, looking, joining, handing over, removing. */
import assert from 'node:assert/strict';
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {Endpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {ClusterStatus} from '../../../coordinator/store/embedded/clusterCalls.ts';
import {freePort} from '../../support/freePorts.ts';

const MAIN = fileURLToPath(new URL('../../../coordinator/main.ts', import.meta.url));
const TOKEN = 'the token of this test cluster';

describe('mcpx cluster', function () {
  this.timeout(600_000);
  let folder: string;
  let running: ChildProcess[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mcpx-cluster-'));
  });
  afterEach(async () => {
    for (const child of running) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    }
    running = [];
    await rm(folder, {recursive: true, force: true});
  });

  function mcpx(args: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {...process.env, MCPX_CLUSTER_TOKEN: TOKEN, HOME: folder, ...env},
    });
  }

  async function coordinator(
    node: string,
    peers: string,
    more: readonly string[] = [],
  ): Promise<ChildProcess> {
    const data = path.join(folder, node);
    const child = mcpx([
      'coordinator',
      '--data',
      data,
      '--cluster',
      'fleet',
      '--node',
      node,
      '--peers',
      peers,
      ...more,
    ]);
    running.push(child);
    assert.ok(child.stderr);
    const lines: string[] = [];
    for await (const line of createInterface({input: child.stderr})) {
      lines.push(line);
      if (line.includes('the coordinator is ready')) break;
    }
    assert.ok(lines.at(-1)?.includes('is ready'), lines.join('\n'));
    child.stderr.resume();
    return child;
  }

  async function cluster(node: string, ...args: string[]): Promise<ClusterStatus> {
    const endpoint = Endpoint.parse(
      JSON.parse(await readFile(path.join(folder, node, 'endpoint.json'), 'utf8')),
    );
    const child = mcpx(['cluster', ...args, '--connect', endpoint.url, '--json'], {
      MCPX_TOKEN: endpoint.token,
    });
    let text = '';
    child.stdout?.on('data', data => {
      text += String(data);
    });
    await once(child, 'close');
    return ClusterStatus.parse(JSON.parse(text));
  }

  it('shows the members, lets one in at run time, hands the lead over, and takes one out, which stops', async () => {
    const urls = new Map<string, string>();
    for (const node of ['a', 'b']) urls.set(node, `ws://127.0.0.1:${await freePort()}`);
    const first = await coordinator('a', `a=${urls.get('a')}`);
    const before = await cluster('a', 'status');
    assert.deepEqual(before.members, [{id: 'a', address: urls.get('a'), role: 'voter', leader: true}]);
    const joining = coordinator('b', `a=${urls.get('a')},b=${urls.get('b')}`, ['--join']);
    await cluster('a', 'add', 'b', urls.get('b') ?? '');
    await joining;
    for (;;) {
      const {members} = await cluster('b', 'status');
      if (members.filter(({role}) => role === 'voter').length === 2) break;
    }
    assert.equal((await cluster('a', 'transfer', 'b')).leader, 'b');
    const gone = once(first, 'exit');
    const after = await cluster('b', 'remove', 'a');
    assert.deepEqual(
      after.members.map(({id}) => id),
      ['b'],
    );
    await gone;
  });
});

/**
 * A rehearsed plan on agents of three coordinators: the one that an agent and the client are connected to is lost, then the lead, and nobody notices.
 * mcp-context-forge#4205: a node killed in mid-session ended the session. ruflo#1896: consensus that ran in one process and was advertised.
 */
import assert from 'node:assert/strict';
import {mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {CoordinatorCluster} from '../support/coordinatorCluster.ts';
import {EtcdServer, missingEtcd} from '../support/etcdServer.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const NODES = ['a', 'b', 'c'] as const;
const FIRST = ['first-1', 'first-2', 'first-3'] as const;
const SECOND = ['second-1', 'second-2', 'second-3'] as const;
const PROMPT = 'words';
const START_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 120_000;

/** Each waits for the word of its round and says once that it has run. */
function plan(ground: string): string {
  const run = (id: string, round: string, after: readonly string[] = []) => ({
    id,
    dependsOn: [...after],
    run: [
      `echo "$MCPX_ATTEMPT_ID" >> ${ground}/ran/${id}`,
      ...after.filter(other => other !== PROMPT).map(other => `test -e ${other}.txt`),
      `while [ ! -e ${ground}/go/${round} ]; do sleep 0.1; done`,
      `echo ${id} > ${id}.txt`,
    ].join(' && '),
  });
  return JSON.stringify({
    name: 'failover',
    defaults: {permissions: {mode: 'acceptEdits', allow: ['Bash', 'Write']}},
    tasks: [
      ...FIRST.map(id => run(id, 'first')),
      {id: PROMPT, prompt: 'Say words until the word comes.'},
      ...SECOND.map(id => run(id, 'second', [...FIRST, PROMPT])),
      run('last', 'second', SECOND),
    ],
  });
}

function script(ground: string): string {
  const command = `while [ ! -e ${ground}/go/first ]; do sleep 0.1; done`;
  const wait = {tool: 'Bash', input: {command, description: 'Wait', timeout: 600_000}};
  const write = {tool: 'Write', input: {file_path: '{{worktree}}/words.txt', content: 'words\n'}};
  return JSON.stringify({
    tasks: {
      [PROMPT]: {turns: [{text: 'I wait.', calls: [wait]}, {calls: [write]}, {text: 'It has come.'}]},
    },
  });
}

const noEtcd = missingEtcd();

/** How a coordinator is lost, and how it comes back. */
const LOSSES = {
  killed: {
    lose: (cluster: CoordinatorCluster, node: string) => cluster.kill(node),
    regain: (cluster: CoordinatorCluster, node: string) => cluster.member(node).startCoordinator(),
  },
  'stopped by SIGSTOP': {
    lose: async (cluster: CoordinatorCluster, node: string) => cluster.pause(node),
    regain: async (cluster: CoordinatorCluster, node: string) => cluster.resume(node),
  },
} as const;

for (const [how, loss] of Object.entries(LOSSES))
  for (const store of ['the embedded store', 'an etcd'] as const)
    describe(`three coordinators on ${store} and a plan that is under way`, () =>
      survives(how, loss, store === 'an etcd'));

function survives(how: string, {lose, regain}: (typeof LOSSES)[keyof typeof LOSSES], onEtcd: boolean): void {
  let etcd: EtcdServer | undefined;
  let rehearsal: RehearsalServer;
  let cluster: CoordinatorCluster;
  let run: SessionRun;
  let [home, ground, project] = ['', '', ''];
  const ran = (id: string): string[] =>
    readFileSync(path.join(ground, 'ran', id), 'utf8')
      .split('\n')
      .slice(0, -1);
  const haveStarted = (ids: readonly string[]) =>
    found(
      () => ids.every(id => readdirSync(path.join(ground, 'ran')).includes(id)) || undefined,
      START_TIMEOUT_MS,
      () => `${ids.join()} to run; ${run.describe()}`,
    );
  const release = (round: string): void => writeFileSync(path.join(ground, 'go', round), '');

  before(async function () {
    this.timeout(300_000);
    if (onEtcd && noEtcd !== undefined) return this.skip();
    if (onEtcd) etcd = await EtcdServer.start({members: 3});
    ground = await mkdtemp(path.join(tmpdir(), 'mcpx-failover-'));
    for (const name of ['ran', 'go']) mkdirSync(path.join(ground, name));
    project = path.join(ground, 'project');
    createProject(project, {'README.md': 'A project of nobody.\n'});
    rehearsal = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(script(ground), 'failover.rehearsal.json'),
    });
    cluster = await CoordinatorCluster.start(NODES, {env: rehearsal.env, etcd: etcd?.url});
    const online = NODES.map(async node => {
      await cluster.member(node).startAgent({id: `agent-${node}`, slots: 2, rehearsal: true});
      return cluster.member(node).whenOnline([`agent-${node}`], START_TIMEOUT_MS);
    });
    await Promise.all(online);
    const lead = await cluster.lead();
    home = lead === 'a' ? 'b' : 'a';
  });
  after(async () => {
    run?.dispose();
    await cluster?.close();
    await rehearsal?.stop();
    await etcd?.stop();
    await rm(ground, {recursive: true, force: true});
  });

  it(`go on when the one of the client and of an agent is ${how}, and when the lead is`, async function () {
    this.timeout(300_000);
    const heard: number[] = [];
    run = await SessionRun.start(cluster.member(home), {plan: plan(ground), project, rehearsal: true});
    await haveStarted(FIRST);
    const prompt = await run.running(PROMPT, START_TIMEOUT_MS);
    const transcript = run.client.transcript(prompt.id);
    transcript.onEvents(({firstSeq, events}) => {
      for (const [index] of events.entries()) heard.push(firstSeq + index);
    });
    const placed = new Set([...run.state.attempts.values()].map(({agentId}) => agentId));
    assert.deepEqual(
      [...placed].sort(),
      NODES.map(node => `agent-${node}`),
    );
    await lose(cluster, home);
    release('first');
    await haveStarted(SECOND);
    await regain(cluster, home);
    const lead = await cluster.lead();
    await lose(cluster, lead);
    release('second');
    const session = await run.ended(END_TIMEOUT_MS);
    assert.equal(session.state, 'succeeded', run.describe());

    const {tasks, attempts} = run.state;
    for (const task of tasks.values()) {
      const own = [...attempts.values()].filter(({taskId}) => taskId === task.id);
      assert.deepEqual(
        {
          ...{id: task.id, attempts: own.map(({outcome}) => outcome)},
          retries: task.retries,
          losses: task.losses,
        },
        {id: task.id, attempts: ['succeeded'], retries: 0, losses: 0},
        run.describe(),
      );
    }
    for (const id of [...FIRST, ...SECOND, 'last']) assert.equal(ran(id).length, 1, id);
    assert.deepEqual(
      run.revisions,
      [...run.revisions].sort((a, b) => a - b),
      'the client never went back',
    );
    await found(() => heard.length >= 6 || undefined, START_TIMEOUT_MS, 'the whole transcript');
    assert.deepEqual(
      heard,
      heard.map((_, index) => index + 1),
      'every event in order, once',
    );
    const names = git(project, 'ls-tree', '--name-only', await run.fetchResult()).split('\n');
    assert.deepEqual(
      names.filter(name => name.endsWith('.txt')),
      [...FIRST, 'last', ...SECOND, PROMPT].map(id => `${id}.txt`).sort(),
    );
  });
}

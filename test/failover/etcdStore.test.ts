/** A coordinator that keeps its facts in a real etcd: a rehearsed plan runs over kill -9 of the coordinator and of the member that it asks. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {EtcdServer, missingEtcd} from '../support/etcdServer.ts';
import {Fleet} from '../support/fleet.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const PATIENCE_MS = 120_000;
const missing = missingEtcd();

const PLAN = `name: shared
tasks:
  - {id: prompt, prompt: Write a file.}
  - {id: one, run: "sleep 1; echo one > one.txt"}
  - {id: two, dependsOn: [one], run: "sleep 2; cp one.txt two.txt"}
  - {id: three, dependsOn: [two, prompt], run: "sleep 1; cat two.txt prompt.txt > three.txt"}
  - {id: four, dependsOn: [three], run: "sleep 1; cp three.txt four.txt"}
`;
const SCRIPT = `tasks:
  prompt:
    turns:
      - {calls: [{tool: Write, input: {file_path: prompt.txt, content: "prompt\\n"}}]}
      - Written.
`;

describe(`a coordinator on etcd${missing === undefined ? '' : `: ${missing}`}`, function () {
  this.timeout(300_000);
  let etcd: EtcdServer;
  let fleet: Fleet;
  let rehearsal: RehearsalServer;
  let project: string;
  before(async function () {
    if (missing !== undefined) return this.skip();
    etcd = await EtcdServer.start({members: 3});
    rehearsal = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(SCRIPT, 'script'),
    });
    fleet = await Fleet.start({coordinatorArgs: ['--store', `${etcd.url}/fleet`], env: rehearsal.env});
    project = path.join(fleet.folder, 'project');
    createProject(project, {'README.md': 'shared\n'});
    await fleet.startAgent({id: 'agent-1', rehearsal: true});
    await fleet.whenOnline(['agent-1']);
  });
  after(async () => {
    await fleet?.close();
    await rehearsal?.stop();
    await etcd?.stop();
  });

  it('finishes a session over kill -9 of itself and of a member of the etcd', async () => {
    const session = await SessionRun.start(fleet, {plan: PLAN, project, rehearsal: true});
    await session.running('two', PATIENCE_MS);
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    await session.until(
      ({tasks}) => (tasks.get('two')?.state === 'succeeded' ? true : undefined),
      PATIENCE_MS,
      'the task that ran meanwhile',
    );
    const leader = await etcd.leader();
    await etcd.kill(leader);
    const ended = await session.ended(PATIENCE_MS);
    assert.equal(ended.state, 'succeeded', session.describe());
    const {attempts} = session.state;
    assert.deepEqual(
      [...attempts.values()].map(({taskId, outcome}) => `${taskId} ${outcome}`).sort(),
      [
        '_result succeeded',
        'four succeeded',
        'one succeeded',
        'prompt succeeded',
        'three succeeded',
        'two succeeded',
      ],
      'nothing ran twice',
    );
    const commit = await session.fetchResult();
    assert.equal(git(project, 'show', `${commit}:four.txt`), 'one\nprompt');
    etcd.run(leader);
    session.dispose();
  });

  it('says what is wrong with its etcd, and does not start', async () => {
    const cases: readonly (readonly [args: readonly string[], why: RegExp])[] = [
      [
        ['--store', 'etcd://127.0.0.1:1', '--set', 'etcdTimeoutMs=500'],
        /no member of the etcd answers: 127\.0\.0\.1:1/,
      ],
      [['--store', 'postgres://127.0.0.1'], /does not begin with etcd/],
      [['--store', etcd.url, '--store-ca', 'ca.pem'], /etcds:/],
      [['--store-ca', 'ca.pem'], /come with --store/],
      [['--store', 'etcds://127.0.0.1:1', '--store-ca', 'absent.pem'], /cannot read .*absent\.pem/],
    ];
    for (const [coordinatorArgs, why] of cases) {
      const other = Fleet.create({coordinatorArgs});
      try {
        other.coordinator.start();
        await found(() => (other.coordinator.isRunning ? undefined : true), PATIENCE_MS, 'it to give up');
        assert.match(other.coordinator.log(), why);
      } finally {
        await other.close();
      }
    }
  });

  it('does not share its directory', async () => {
    const other = Fleet.create({coordinatorArgs: ['--store', etcd.url, '--data', fleet.dataFolder]});
    try {
      other.coordinator.start();
      await found(() => (other.coordinator.isRunning ? undefined : true), PATIENCE_MS, 'it to give up');
      assert.match(other.coordinator.log(), /in use by process/);
    } finally {
      await other.close();
    }
  });
});

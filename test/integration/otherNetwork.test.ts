/** Agents in another network, behind a cable of their own: they join over TLS and work with a rehearsed Claude Code there. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {coordinatorArguments, FarAgents} from '../support/farAgents.ts';
import {NetworkNamespace, namespaceSupport} from '../support/networkNamespace.ts';
import {jsonReport, resultCommit} from './jsonReport.ts';
import {Person, type Running} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = `name: far
agents: 1
defaults: {requires: {region: moon}}
tasks:
  - {id: first, prompt: Write the first note.}
  - {id: second, prompt: Write the second note., affinity: [{kind: apart, with: [first]}]}
  - {id: both, dependsOn: [first, second], run: "cat first.txt second.txt > both.txt", requires: {}}
`;
const SCRIPT = `tasks:
  first:
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/first.txt", content: "one\\n"}}]
      - Written.
  second:
    turns:
      - calls: [{tool: Write, input: {file_path: "{{worktree}}/second.txt", content: "two\\n"}}]
      - Written.
`;

describe('agents in another network', function () {
  this.timeout(180_000);
  let host: Person;
  let network: NetworkNamespace | undefined;
  let coordinator: Running;
  let far: FarAgents;
  let repository: UserRepository;

  before(async function () {
    const support = namespaceSupport(
      process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1',
    );
    if (support.kind === 'missing') {
      console.log(`    skipped: ${support.why}`);
      this.skip();
    }
    host = new Person();
    network = NetworkNamespace.create();
    repository = UserRepository.create(path.join(host.root, 'repo'), host.env, {
      'far.mcpx.yaml': PLAN,
      'far.rehearsal.yaml': SCRIPT,
    });
    coordinator = host.start(coordinatorArguments(network));
    await coordinator.saw(/the coordinator is ready/);
    far = await FarAgents.join({
      host,
      network,
      ids: ['far-1', 'far-2'],
      region: 'moon',
      script: path.join(repository.folder, 'far.rehearsal.yaml'),
    });
  });
  after(async () => {
    try {
      await far?.leave();
      coordinator?.signal('SIGTERM');
      if (coordinator) assert.equal((await coordinator.ended).code, 0);
      await host?.leave();
    } finally {
      await network?.leave();
    }
  });

  it('are seen by the coordinator with their region', async () => {
    const status = await host.expect(0, ['status']);
    for (const id of ['far-1', 'far-2']) assert.match(status.stdout, new RegExp(`${id} .*moon`));
  });

  it('do the tasks that ask for their region, whose results come home', async () => {
    const ended = await host.expect(0, ['run', 'far.mcpx.yaml', '--rehearse', '--json'], {
      cwd: repository.folder,
    });
    const report = jsonReport(ended.stdout);
    const agentOf = (id: string): string | undefined =>
      report.tasks.find(task => task.id === id)?.attempts.at(-1)?.agent;
    assert.deepEqual([agentOf('first'), agentOf('second')].sort(), ['far-1', 'far-2']);
    assert.equal(repository.show(resultCommit(report), 'both.txt'), 'one\ntwo');
  });
});

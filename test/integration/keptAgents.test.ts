/** Agents that a person adds to a machine: they take any session's tasks, come back when they die, and end when they are told to or have nobody to work for. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {found} from '../support/waiting.ts';
import {jsonReport, resultCommit} from './jsonReport.ts';
import {Person} from './person.ts';
import {UserRepository} from './userRepository.ts';

const PLAN = 'name: any\nagents: 1\ntasks: [{id: a, run: "echo a > a.txt"}]\n';
const Added = z.strictObject({agent: z.string(), pid: z.number(), log: z.string(), slots: z.number()});
const List = z.strictObject({
  agents: z.array(z.looseObject({agent: z.string(), pid: z.number().nullable(), rehearsal: z.boolean()})),
});

describe('an added agent', function () {
  this.timeout(120_000);
  let person: Person;
  beforeEach(() => {
    person = new Person();
  });
  afterEach(() => person.leave());

  const verb = async (code: number, ...args: string[]) => {
    const {stdout} = await person.expect(code, [...args, '--json']);
    assert.match(stdout, /^\{[^\n]*\}\n$/);
    return JSON.parse(stdout) as unknown;
  };
  const agentPid = () => person.processes().find(({command}) => /mcpx\.mjs agent --id /.test(command))?.pid;

  it('works on any session, comes back when it was killed, and is gone when it is removed', async () => {
    const added = Added.parse(await verb(0, 'agent', 'add', '--claude', 'off', '--slots', '3'));
    assert.deepEqual([added.agent, added.slots], ['here-1', 3]);
    assert.match(
      (await person.expect(0, ['status'])).stdout,
      /here-1 {2}idle {2}3 slots {2}claude: disabled/,
    );
    const again = await person.expect(1, ['agent', 'add', '--name', 'here-1', '--json']);
    assert.match(again.stdout, /"code":"conflict"/);

    const first = agentPid() ?? 0;
    process.kill(first, 'SIGKILL');
    await found(() => ((agentPid() ?? first) === first ? undefined : true), 30_000, 'the agent to be back');
    const {url, token} = person.endpoint ?? {url: '', token: ''};
    const repository = UserRepository.create(path.join(person.root, 'repo'), person.env, {
      'any.mcpx.yaml': PLAN,
    });
    const ended = await person.expect(0, ['run', 'any.mcpx.yaml', '--json', '--connect', url], {
      cwd: repository.folder,
      env: {MCPX_TOKEN: token},
    });
    const report = jsonReport(ended.stdout);
    assert.equal(report.tasks[0]?.attempts[0]?.agent, 'here-1');
    assert.equal(repository.show(resultCommit(report), 'a.txt'), 'a');

    assert.deepEqual(
      List.parse(await verb(0, 'agent', 'list')).agents.map(({agent, pid}) => [agent, pid]),
      [['here-1', added.pid]],
    );
    assert.deepEqual(await verb(0, 'agent', 'remove', 'here-1'), {agent: 'here-1', ended: true});
    assert.equal(agentPid(), undefined);
    assert.deepEqual(await verb(0, 'agent', 'list'), {agents: []});
    assert.match(JSON.stringify(await verb(1, 'agent', 'remove', 'here-1')), /"code":"notFound"/);
  });

  it('ends by itself when its coordinator is gone for long', async () => {
    const script = path.join(person.root, 'script.yaml');
    writeFileSync(script, 'tasks: {}\n');
    const coordinator = person.start(['coordinator']);
    await coordinator.saw(/the coordinator is ready/);
    await verb(0, 'agent', 'add', '--name', 'trial', '--rehearsal', script, '--gone-after', '5s');
    assert.deepEqual(
      List.parse(await verb(0, 'agent', 'list')).agents.map(({agent, rehearsal}) => [agent, rehearsal]),
      [['trial', true]],
    );
    assert.match((await person.expect(0, ['status'])).stdout, /trial {2}idle .*claude: rehearsal/);
    coordinator.signal('SIGTERM');
    await coordinator.ended;
    await person.assertNothingRuns(60_000);
    assert.equal(List.parse(await verb(0, 'agent', 'list')).agents[0]?.pid, null);
  });
});

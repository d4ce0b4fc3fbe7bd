/** A coordinator with strategies of one's own: a plan names one, real agents get the work by it, and a forecast says so before. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../support/fleet.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';
import {Person} from './person.ts';

const MODULE = `
export default {
  name: 'last-by-name',
  async optimize(candidates, task) {
    const byName = [...candidates].sort((a, b) => (a.instance.id < b.instance.id ? 1 : -1));
    if (task.title === 'stuck') for (;;);
    return byName.map(({instance}, at) => ({agentId: instance.id, taskId: task.id, score: -at, features: {place: at}}));
  },
};
`;
const PLAN = `name: mine
workspace: none
strategy: last-by-name
tasks:
  - {id: one, run: "true"}
  - {id: stuck, title: stuck, dependsOn: [one], run: "true"}
  - {id: other, strategy: round-robin, dependsOn: [stuck], run: "true"}
`;

describe('mcpx coordinator --strategy-module', function () {
  this.timeout(120_000);
  let fleet: Fleet;
  let person: Person;

  before(async () => {
    person = new Person();
    const file = path.join(person.root, 'mine.mjs');
    writeFileSync(file, MODULE);
    writeFileSync(path.join(person.root, 'plan.mcpx.yaml'), PLAN);
    fleet = await Fleet.start({
      settings: {strategyTimeoutMs: 300},
      coordinatorArgs: ['--strategy-module', file],
    });
    for (const id of ['a-1', 'a-2']) await fleet.startAgent({id, slots: 4, args: ['--claude', 'off']});
    await fleet.whenOnline(['a-1', 'a-2']);
  });
  after(async () => {
    await fleet?.close();
    await person?.leave();
  });

  it('places by them, and by a strategy of its own where they hang; both are recorded', async () => {
    const run = await SessionRun.start(fleet, {plan: PLAN});
    assert.equal((await run.ended(60_000)).state, 'succeeded', run.describe());
    const by = (taskId: string) =>
      [...run.state.attempts.values()].find(attempt => attempt.taskId === taskId)?.placement;
    const {strategy, features} = by('one') ?? {};
    assert.deepEqual([strategy, features], ['last-by-name', {place: 0}]);
    assert.equal(by('stuck')?.strategy, 'capability-weighted');
    assert.equal(by('stuck')?.insteadOf?.strategy, 'last-by-name');
    assert.equal(by('other')?.strategy, 'round-robin');
    run.dispose();
  });

  it('mcpx explain --plan says who would get the tasks, and starts nothing', async () => {
    const {url, token} = fleet.endpoint;
    const args = ['explain', '--plan', 'plan.mcpx.yaml', '--connect', url, '--token', token];
    // What hung before is begun anew, sooner or later.
    const stdout = await found(
      async () => {
        const said = await person.mcpx(args, {cwd: person.root});
        assert.equal(said.code, 0, said.stderr);
        return /^one -> a-2, from /m.test(said.stdout) ? said.stdout : undefined;
      },
      60_000,
      'the strategy to answer again',
    );
    assert.match(stdout, /a-2 was chosen by last-by-name among 2 agents/);
    assert.match(stdout, /last-by-name was asked and did not decide: no answer within 300 ms/);
    const task = await person.mcpx([...args, '--json', 'one'], {cwd: person.root});
    assert.deepEqual(
      JSON.parse(task.stdout).assignments.map((one: {taskId: string}) => one.taskId),
      ['one'],
    );
  });
});

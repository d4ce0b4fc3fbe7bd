/** The lead is killed after half of a plan: the next one goes on, with results in git that were sent through the dead one. */
import assert from 'node:assert/strict';
import path from 'node:path';
import {CoordinatorCluster} from '../support/coordinatorCluster.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';

const PLAN = `name: halves
tasks:
  - {id: one, run: "echo 1 > one.txt", requires: {tags: [early]}}
  - {id: two, run: "echo 2 > two.txt", requires: {tags: [early]}, dependsOn: [one]}
  - {id: three, run: "echo 3 > three.txt", requires: {tags: [early]}}
  - {id: all, run: "cat one.txt two.txt three.txt > all.txt", requires: {tags: [late]}, dependsOn: [two, three]}
`;
const TIMEOUT_MS = 120_000;

describe('a lead that dies', function () {
  this.timeout(400_000);
  let cluster: CoordinatorCluster;
  before(async () => {
    cluster = await CoordinatorCluster.start(['a', 'b', 'c']);
  });
  after(() => cluster.close());

  it('leaves results behind that the next one merges, and a result branch that is whole', async () => {
    const lead = await cluster.lead();
    const [survivor = '', other = ''] = [...cluster.members.keys()].filter(node => node !== lead);
    const fleet = cluster.member(survivor);
    const project = path.join(fleet.folder, 'project');
    createProject(project, {'README.md': 'halves\n'});
    // This agent knows the lead alone: what it makes is sent through it.
    await cluster.member(lead).startAgent({id: 'early', args: ['--tag', 'early']});
    const run = await SessionRun.start(fleet, {plan: PLAN, project});
    const isHalf = await run.until(
      ({tasks}) =>
        ['one', 'two', 'three'].every(id => tasks.get(id)?.state === 'succeeded') ? true : undefined,
      TIMEOUT_MS,
      'half of the plan',
    );
    assert.ok(isHalf);
    await cluster.kill(lead);
    await cluster.member(lead).agent('early').process.kill();
    assert.notEqual(await cluster.lead(), lead);
    // Nothing was ever sent through its coordinator.
    await cluster.member(other).startAgent({id: 'late', args: ['--tag', 'late']});
    const session = await run.ended(TIMEOUT_MS);
    assert.equal(session.state, 'succeeded', run.describe());
    const commit = await run.fetchResult();
    for (const [file, content] of [
      ['one.txt', '1'],
      ['two.txt', '2'],
      ['three.txt', '3'],
      ['all.txt', '1\n2\n3'],
      ['README.md', 'halves'],
    ] as const)
      assert.equal(git(project, 'show', `${commit}:${file}`), content, file);
    git(project, 'fsck', '--connectivity-only', commit);
    run.dispose();
  });
});

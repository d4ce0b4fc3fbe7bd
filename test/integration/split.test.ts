/** Tasks that are divided, over real agents and real git: lists, files and shards, their merges, and a coordinator that is killed in the middle of it. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../support/fleet.ts';
import {createProject, git} from '../support/gitProject.ts';
import {SessionRun} from '../support/sessionRun.ts';

const WAIT_MS = 90_000;

describe('tasks that are split', function () {
  this.timeout(240_000);
  let fleet: Fleet;
  let project: string;
  let run: SessionRun;

  before(async () => {
    fleet = await Fleet.start();
    project = path.join(fleet.folder, 'project');
    createProject(project, {
      'src/a.txt': 'a\n',
      'src/deep/b.txt': 'b\n',
      'src/c.txt': 'c\n',
      'src/d.md': 'd\n',
      'README.md': 'Hello.\n',
    });
    for (const id of ['a-1', 'a-2']) await fleet.startAgent({id, args: ['--claude', 'off']});
    await fleet.whenOnline(['a-1', 'a-2']);
  });
  after(async () => fleet?.close());
  afterEach(() => run?.dispose());

  async function start(tasks: string): Promise<void> {
    run = await SessionRun.start(fleet, {plan: `name: split\ntasks:\n${tasks}`, project});
  }
  async function succeeded(): Promise<void> {
    assert.equal((await run.ended(WAIT_MS)).state, 'succeeded', run.describe());
  }
  const show = async (file: string): Promise<string> =>
    git(project, 'show', `${await run.fetchResult()}:${file}`);
  const leftBy = (taskId: string) => run.state.tasks.get(taskId)?.result?.value;

  it('over a list: changes and values of the parts come together, and the next task has both', async () => {
    await start(`
  - id: words
    run: printf '%s\\n' "$MCPX_PART" > "word-$MCPX_PART.txt"; printf '{"words":["%s"]}' "$MCPX_PART" > "$MCPX_RESULT"
    split: {over: [nl, fr, cy], merge: json}
    gates: ["test $(cat word-*.txt | wc -l) = 3"]
  - {id: after, dependsOn: words, run: "cat word-*.txt > all.txt; cat $MCPX_INPUTS > inputs.json"}
`);
    await succeeded();
    assert.equal(await show('all.txt'), 'cy\nfr\nnl');
    assert.deepEqual(leftBy('words'), {words: ['nl', 'fr', 'cy']});
    const inputs = JSON.parse(await show('inputs.json'));
    assert.deepEqual(inputs.words.value, {words: ['nl', 'fr', 'cy']});
    assert.equal(run.state.tasks.get('_part-words-2')?.parentTaskId, 'words');
  });

  it('over files: those that the task starts with, found by its first attempt, at no cost to its retries', async () => {
    await start(`
  - {id: more, run: "echo e > src/e.txt"}
  - id: shout
    dependsOn: more
    run: for file in $MCPX_PART; do tr a-z A-Z < $file > $file.new; mv $file.new $file; done
    split: {files: "src/**/*.txt", shards: 2}
    retry: {max: 0}
`);
    await succeeded();
    assert.deepEqual(
      await Promise.all(['src/a.txt', 'src/c.txt', 'src/e.txt', 'src/d.md', 'README.md'].map(show)),
      ['A', 'C', 'E', 'd', 'Hello.'],
    );
    const shout = run.state.tasks.get('shout');
    assert.deepEqual([shout?.attempts, shout?.retries, shout?.losses], [2, 0, 0]);
    assert.equal(run.state.tasks.has('_part-shout-3'), false);
  });

  it('over files of which there are none: it is done', async () => {
    await start('  - {id: none, run: "exit 1", split: {files: "*.nothing", merge: concat}}\n');
    await succeeded();
    assert.deepEqual([run.state.tasks.size, leftBy('none')], [2, '']);
  });

  it('over shards, with a command that makes one result of all', async () => {
    await start(`
  - id: count
    run: echo "$MCPX_PART_INDEX of $MCPX_PART_COUNT" > "$MCPX_RESULT"
    split: {shards: 3, merge: {run: "grep -o '[0-9] of 3' $MCPX_INPUTS | sort > counted.txt"}}
`);
    await succeeded();
    assert.equal(await show('counted.txt'), '1 of 3\n2 of 3\n3 of 3');
  });

  it('by a command that asks for more tasks: it goes on, waits for them, and what follows has everything', async () => {
    const auth = '-H "Authorization: Bearer $MCPX_MEMORY_TOKEN"';
    const ask = `curl -sS ${auth} "$MCPX_TASKS" -d '{"tasks":[{"run":"echo one > one.txt; echo 1 > $MCPX_RESULT"},{"run":"exit 4","retry":{"max":0}}]}'`;
    await start(`
  - id: lead
    run: |
      ${ask} > asked.json
      ${ask.replace('exit 4', 'echo two > two.txt')} > again.json
      for n in 1 2 3 4; do curl -sS ${auth} "$MCPX_TASKS?task=_part-lead-$n&wait=60" > "became-$n.json"; done
      curl -sS ${auth} "$MCPX_TASKS?task=other" > other.json
      curl -sS ${auth} "$MCPX_TASKS" -d '{"tasks":[{"promt":"x"}]}' > wrong.json
      cat asked.json again.json became-2.json became-4.json other.json wrong.json > "$MCPX_RESULT"
  - {id: after, dependsOn: lead, run: "ls *.txt became-* > listed.txt"}
`);
    const ended = await run.ended(WAIT_MS);
    // One of the tasks that were asked for fails, and so does what depends on it.
    assert.equal(ended.state, 'failed', run.describe());
    const states = Object.fromEntries([...run.state.tasks].map(([id, {state}]) => [id, state]));
    assert.deepEqual(
      [
        states['_part-lead-1'],
        states['_part-lead-2'],
        states['_part-lead-3'],
        states['_part-lead-4'],
        states['lead'],
        states['after'],
      ],
      ['succeeded', 'failed', 'succeeded', 'succeeded', 'succeeded', 'cancelled'],
    );
    const told = String(leftBy('lead'));
    assert.match(
      told,
      /^\{"tasks":\["_part-lead-1","_part-lead-2"\]\}\n\{"tasks":\["_part-lead-3","_part-lead-4"\]\}\n/,
    );
    assert.match(told, /"taskId":"_part-lead-2","state":"failed","failure":\{"kind":"exit"/);
    assert.match(told, /"taskId":"_part-lead-4","state":"succeeded","result":\{[^}]*"commit":"[0-9a-f]{40}"/);
    assert.match(told, /has asked for no task other/);
    assert.match(told, /Unrecognized key: "promt"|promt/);
    assert.equal(leftBy('_part-lead-1'), 1);
    assert.equal(run.state.tasks.get('_part-lead-4')?.parentTaskId, 'lead');
  });

  it('are divided once although the coordinator is killed while they are, and while their parts run', async () => {
    const go = path.join(fleet.folder, 'go');
    await start(`
  - id: held
    run: while [ ! -e ${go} ]; do sleep 0.05; done; cat $MCPX_PART >> $(basename $MCPX_PART).out
    split: {files: "src/**"}
`);
    // The moment at which an attempt looks for its files, or asks for the parts, is as good as any.
    await run.until(
      ({tasks}) => (tasks.get('held')?.currentAttempt ? true : undefined),
      WAIT_MS,
      'its first attempt',
    );
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    await run.until(({tasks}) => (tasks.has('_part-held-4') ? true : undefined), WAIT_MS, 'its parts');
    await run.running('_part-held-1', WAIT_MS);
    await fleet.coordinator.kill();
    await fleet.startCoordinator();
    writeFileSync(go, '');
    await run.until(({session}) => session?.state === 'succeeded' || undefined, WAIT_MS, 'its end');
    assert.equal(run.state.tasks.size, 6, run.describe());
    for (const id of [1, 2, 3, 4])
      assert.equal(run.state.tasks.get(`_part-held-${id}`)?.attempts, 1, run.describe());
    assert.equal(await show('b.txt.out'), 'b');
  });
});

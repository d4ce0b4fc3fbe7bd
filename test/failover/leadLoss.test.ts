/** Three real coordinators under work: the one that leads is killed, or stopped past its lease and continued. No task runs twice, and every past is whole. */
import assert from 'node:assert/strict';
import {mkdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {SessionPast} from '../../coordinator/client/history.ts';
import {CoordinatorCluster} from '../support/coordinatorCluster.ts';
import {SessionRun} from '../support/sessionRun.ts';
import {found} from '../support/waiting.ts';

const NODES = ['a', 'b', 'c'];
const PATIENCE_MS = 120_000;
const TASKS = ['one', 'two', 'three', 'four', 'side'];

/** Every task says in a file of its own that it ran. */
function planFor(folder: string): string {
  const run = (id: string, seconds: number) => `"echo ran >> ${path.join(folder, id)}; sleep ${seconds}"`;
  return `name: lead
workspace: none
tasks:
  - {id: one, run: ${run('one', 1)}}
  - {id: two, dependsOn: [one], run: ${run('two', 4)}}
  - {id: side, dependsOn: [one], run: ${run('side', 9)}}
  - {id: three, dependsOn: [two], run: ${run('three', 1)}}
  - {id: four, dependsOn: [three, side], run: ${run('four', 1)}}
`;
}

describe('a cluster whose lead is lost', function () {
  this.timeout(300_000);
  let cluster: CoordinatorCluster;
  let folders = 0;
  before(async () => {
    cluster = await CoordinatorCluster.start(NODES);
  });
  after(() => cluster.close());

  /** Work that goes on at coordinators that survive: each has an agent, one of them the client. */
  async function startWork(survivors: readonly string[]): Promise<{session: SessionRun; folder: string}> {
    const [first = ''] = survivors;
    for (const node of survivors) {
      const member = cluster.member(node);
      const id = `agent-${node}`;
      if (!member.agents.has(id)) await member.startAgent({id});
      await member.whenOnline([id]);
    }
    folders += 1;
    const folder = path.join(cluster.member(first).folder, `ran-${folders}`);
    mkdirSync(folder);
    return {session: await SessionRun.start(cluster.member(first), {plan: planFor(folder)}), folder};
  }

  async function assertRanOnce(session: SessionRun, folder: string): Promise<void> {
    const ended = await session.ended(PATIENCE_MS);
    assert.equal(ended.state, 'succeeded', session.describe());
    assert.deepEqual(
      [...session.state.attempts.values()]
        .map(({taskId, number, outcome}) => `${taskId} ${number} ${outcome}`)
        .sort(),
      TASKS.map(id => `${id} 1 succeeded`).sort(),
      'each task has one attempt, and its completion was accepted',
    );
    for (const id of TASKS)
      assert.equal(readFileSync(path.join(folder, id), 'utf8'), 'ran\n', `${id} ran once`);
    assert.deepEqual(session.state.refusals, []);
  }

  /** Every coordinator tells the same changes, each once, whoever sealed them. */
  async function assertPastIsWhole({id}: SessionRun, nodes: readonly string[]): Promise<void> {
    const tellings: string[][] = [];
    for (const node of nodes) {
      const past = new SessionPast({client: await cluster.member(node).connect(), sessionId: id});
      const marks = await found(
        async () => {
          await past.refresh();
          const isOver = past.marks.some(({kind, state}) => kind === 'session' && state === 'succeeded');
          return isOver ? past.marks : undefined;
        },
        PATIENCE_MS,
        `the end of the session in its past at ${node}`,
      );
      assert.ok(!marks.some(({kind}) => kind === 'gap'), `${node} tells of a gap`);
      const telling = marks.map(mark => `${mark.revision} ${mark.kind} ${mark.id} ${mark.state ?? ''}`);
      assert.equal(new Set(telling).size, telling.length, `${node} tells a change twice`);
      tellings.push(telling);
      const middle = marks[Math.floor(marks.length / 2)];
      assert.ok(middle);
      assert.equal((await past.stateAt(middle.revision)).gap, undefined);
    }
    for (const telling of tellings) assert.deepEqual(telling, tellings[0]);
  }

  it('finishes the plan when the lead is killed', async () => {
    const lead = await cluster.lead();
    const survivors = NODES.filter(node => node !== lead);
    const {session, folder} = await startWork(survivors);
    await session.running('two', PATIENCE_MS);
    await cluster.kill(lead);
    assert.notEqual(await cluster.lead(), lead);
    await assertRanOnce(session, folder);
    await cluster.member(lead).startCoordinator();
    await assertPastIsWhole(session, NODES);
    session.dispose();
  });

  it('finishes the plan when the lead is stopped while another one leads, and follows that when it wakes', async () => {
    const lead = await cluster.lead();
    const survivors = NODES.filter(node => node !== lead);
    const [near = ''] = survivors;
    const {session, folder} = await startWork(survivors);
    await session.running('two', PATIENCE_MS);
    const {coordinator} = cluster.member(lead);
    const asleep = coordinator.options.logFile;
    coordinator.pause();
    const next = await leadOther(near, lead);
    await session.until(
      ({tasks}) => (tasks.get('two')?.state === 'succeeded' ? true : undefined),
      PATIENCE_MS,
      'the next lead to accept a task',
    );
    const before = readFileSync(asleep, 'utf8').length;
    coordinator.resume();
    await found(
      () =>
        /this coordinator leads no more/.test(readFileSync(asleep, 'utf8').slice(before)) ? true : undefined,
      PATIENCE_MS,
      'the lead that woke to notice',
    );
    await assertRanOnce(session, folder);
    assert.equal(await cluster.lead(), next);
    const byIt = [...session.state.attempts.values()].filter(({taskId}) =>
      ['three', 'four'].includes(taskId),
    );
    const client = await cluster.member(next).connect();
    const {coordinator: id} = await client.request('mcpx.cluster.info', {});
    const woken = await cluster.member(lead).connect();
    await found(
      async () => ((await woken.request('mcpx.cluster.info', {})).lead === id ? true : undefined),
      PATIENCE_MS,
      'the one that woke to follow',
    );
    assert.deepEqual([...new Set(byIt.map(attempt => attempt.coordinator))], [id]);
    await assertPastIsWhole(session, NODES);
    session.dispose();
  });

  /** Who leads by the word of `near`, while `stopped` answers nobody. */
  async function leadOther(near: string, stopped: string): Promise<string> {
    const names = new Map<string, string>();
    for (const node of NODES) {
      if (node === stopped) continue;
      const client = await cluster.member(node).connect();
      names.set((await client.request('mcpx.cluster.info', {})).coordinator, node);
      client.dispose();
    }
    const client = await cluster.member(near).connect();
    return found(
      async () => names.get((await client.request('mcpx.cluster.info', {})).lead ?? ''),
      PATIENCE_MS,
      'another lead',
    );
  }
});

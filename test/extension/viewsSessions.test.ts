/** The tree of sessions from rows in memory: what nodes say, and what a change touches in sessions of ten and of ten thousand tasks. */
import assert from 'node:assert/strict';
import {setImmediate as turn} from 'node:timers/promises';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {ActiveWork} from '../../extension/views/model/activeWork.ts';
import {Drawing} from '../../extension/views/model/drawing.ts';
import {SessionsModel} from '../../extension/views/model/sessionsModel.ts';
import type {Dirt, TreeNode} from '../../extension/views/model/treeModel.ts';
import {NOW, planOf, RowsInMemory} from './rowsInMemory.ts';

const DAY = 'day/2026-06-15';

class Transcripts {
  readonly followed = new Map<string, (events: readonly TranscriptEvent[]) => void>();

  readonly follow = (attemptId: string, take: (events: readonly TranscriptEvent[]) => void) => {
    this.followed.set(attemptId, take);
    return {whole: Promise.resolve(), dispose: () => void this.followed.delete(attemptId)};
  };
}

describe('tree of sessions', () => {
  let rows: RowsInMemory;
  let transcripts: Transcripts;
  let model: SessionsModel;
  let drawing: Drawing;
  let dirt: Dirt[];

  beforeEach(() => {
    rows = new RowsInMemory();
    rows.putAgent('a-1');
    transcripts = new Transcripts();
  });

  /** From the rows as they are now. */
  function draw(): void {
    const work = new ActiveWork(rows);
    model = new SessionsModel({fleet: rows, work, follow: transcripts.follow, words: rows.words});
    drawing = new Drawing(model, rows.words);
    dirt = [];
    model.onDirty(each => dirt.push(each));
  }

  async function expand(id: string | undefined): Promise<readonly TreeNode[]> {
    await model.open(id);
    await turn();
    return drawing.children(id).map(child => node(child));
  }

  function node(id: string): TreeNode {
    const found = drawing.node(id);
    assert.ok(found, `no node ${id}`);
    return found;
  }

  /** What the last changes make the editor draw anew. */
  function touched(): readonly string[] | 'all' {
    const all = dirt.includes('all')
      ? 'all'
      : new Set(dirt.flatMap(each => (each === 'all' ? [] : [...each])));
    dirt = [];
    return drawing.touched(all);
  }

  it('groups sessions by day, the newest first', async () => {
    rows.putSession('old', {
      createdAt: NOW - 3 * 86_400_000,
      state: 'succeeded',
      endedAt: NOW - 3 * 86_400_000 + 5000,
    });
    rows.putSession('one', {createdAt: NOW - 5000});
    rows.putSession('two', {createdAt: NOW - 4000});
    rows.putSession('before', {
      createdAt: NOW - 86_400_000,
      state: 'failed',
      failure: 'the gate said no\nand more',
    });
    draw();
    const days = await expand(undefined);
    assert.deepEqual(
      days.map(({label, description, expansion}) => [label, description, expansion]),
      [
        ['Today', '2 sessions', 'expanded'],
        ['Yesterday', '1 session', 'collapsed'],
        ['Fri, 12 June 2026', '1 session', 'collapsed'],
      ],
    );
    const today = await expand(DAY);
    assert.deepEqual(
      today.map(({label}) => label),
      ['name of two', 'name of one'],
    );
    const [failed] = await expand('day/2026-06-14');
    assert.equal(failed?.description, 'the gate said no · 0/0 · 12:00');
    assert.equal(failed?.contextValue, 'session.failed');
  });

  it('tells a session that nobody works for from one whose agents are there', async () => {
    const cases = [
      {name: 'an agent for all', agent: {}, value: 'session.running'},
      {name: 'one of its own', agent: {metadata: {reservedFor: 's'}}, value: 'session.running'},
      {
        name: 'one of another session',
        agent: {metadata: {reservedFor: 'other'}},
        value: 'session.interrupted',
      },
      {name: 'one for rehearsals', agent: {metadata: {rehearsal: true}}, value: 'session.interrupted'},
      {name: 'one that is gone', agent: {online: false}, value: 'session.interrupted'},
    ];
    for (const {name, agent, value} of cases) {
      rows = new RowsInMemory();
      rows.putAgent('a-1', agent);
      rows.putSession('s');
      draw();
      await expand(undefined);
      const [session] = await expand(DAY);
      assert.equal(session?.contextValue, value, name);
    }
    rows.putAgent('a-1');
    assert.deepEqual(touched(), ['session/s']);
    assert.equal(node('session/s').contextValue, 'session.running');
  });

  it('does not call a session interrupted before its agents had time to join', async () => {
    rows = new RowsInMemory();
    rows.putSession('s', {createdAt: NOW});
    draw();
    await expand(undefined);
    const [session] = await expand(DAY);
    assert.equal(session?.contextValue, 'session.running');
    rows.clock.advance(20_000);
    model.tick();
    assert.deepEqual(touched(), ['session/s']);
    assert.equal(node('session/s').contextValue, 'session.interrupted');
  });

  it('says what each task waits for', async () => {
    rows.plan = planOf({build: [], test: ['build'], ship: ['build', 'test'], far: []});
    rows.putSession('s');
    rows.putTasks('s', [
      {id: 'build', state: 'running', attempts: 1},
      {id: 'test'},
      {id: 'ship'},
      {
        id: 'far',
        state: 'ready',
        waitingFor: {kind: 'agent', message: 'no connected agent is in the region "moon"'},
      },
      {id: '_result'},
    ]);
    rows.putAttempt('s', 'build', 1, {
      usage: {
        costUsd: 0.25,
        inputTokens: 1,
        outputTokens: 1,
        cacheReadTokens: 0,
        cacheWriteTokens: 0,
        turns: 1,
      },
    });
    draw();
    await expand(undefined);
    await expand(DAY);
    const tasks = await expand('session/s');
    assert.deepEqual(
      tasks.map(({label, description, contextValue}) => [label, description, contextValue]),
      [
        ['build', 'a-1 · 30s', 'task.running'],
        ['test', 'waits for build', 'task.pending'],
        ['ship', 'waits for build, test', 'task.pending'],
        ['far', 'no agent fits: no connected agent is in the region "moon"', 'task.ready'],
        ['merge of the results', 'waits', 'task.pending'],
      ],
    );
    rows.putApproval(
      's',
      'p-1',
      {kind: 'permission', tool: 'Write', input: {}},
      {taskId: 'build', attemptId: 's.build.1'},
    );
    assert.deepEqual(touched(), ['session/s']);
    await expand('session/s');
    assert.match(node('task/s/build').description ?? '', /^waits for permission · a-1/);
    assert.match(node('session/s').description ?? '', /^waits for you · /);
  });

  it('draws anew a task and those that waited for it, and nothing else', async () => {
    rows.plan = planOf({build: [], test: ['build'], other: []});
    rows.putSession('s');
    rows.putTasks('s', [{id: 'build', state: 'running'}, {id: 'test'}, {id: 'other', state: 'running'}]);
    draw();
    await expand(undefined);
    await expand(DAY);
    await expand('session/s');
    touched();
    rows.putTasks('s', [{id: 'build', state: 'succeeded'}]);
    assert.deepEqual(touched(), ['task/s/build', 'task/s/test']);
    rows.putTasks('s', [{id: 'other', retries: 0}]);
    assert.deepEqual(touched(), [], 'what looks the same is not drawn');
  });

  it('groups ten thousand tasks by state, a page at a time, and a change touches only what is drawn', async () => {
    const ids = Array.from({length: 10_000}, (_, index) => `t${String(index).padStart(5, '0')}`);
    rows.plan = planOf(Object.fromEntries(ids.map(id => [id, []])));
    rows.putSession('s');
    rows.putTasks(
      's',
      ids.map((id, index) => ({id, state: index < 4 ? 'running' : 'pending'})),
    );
    draw();
    await expand(undefined);
    await expand(DAY);
    const groups = await expand('session/s');
    assert.deepEqual(
      groups.map(({label}) => label),
      ['running (4)', 'pending (9996)'],
    );
    await expand('group/s/running');
    const page = await expand('group/s/pending');
    assert.equal(page.length, 201);
    assert.deepEqual([page.at(-1)?.label, page.at(-1)?.description], ['Show 200 more', '9796 left']);
    touched();

    let asked = 0;
    const {node: made, children: listed} = model;
    model.node = id => {
      asked += 1;
      return made.call(model, id);
    };
    const began = performance.now();
    for (let round = 0; round < 100; round++) {
      rows.putTasks('s', [
        {id: 't00001', usage: {...usage(round + 1)}},
        {id: 't09000', attempts: round + 1},
      ]);
      assert.deepEqual(touched(), ['task/s/t00001']);
      drawing.node('task/s/t00001');
    }
    assert.ok(asked <= 300, `${asked} nodes were made for 100 changes of one drawn task`);
    assert.ok(performance.now() - began < 2000, 'a change of one task does not walk them all');
    assert.equal(model.children, listed);

    rows.putTasks('s', [{id: 't00000', state: 'succeeded'}]);
    assert.deepEqual(touched(), ['session/s'], 'a new group: the list of groups is another');
    await expand('session/s');
    rows.putTasks('s', [{id: 't00004', state: 'running'}]);
    assert.deepEqual([...(touched() as string[])].sort(), ['group/s/pending', 'group/s/running']);
  });

  it('goes on with the next page, and finds a task on any page', async () => {
    const ids = Array.from({length: 500}, (_, index) => `t${String(index).padStart(3, '0')}`);
    rows.plan = planOf(Object.fromEntries(ids.map(id => [id, []])));
    rows.putSession('s');
    rows.putTasks(
      's',
      ids.map(id => ({id})),
    );
    draw();
    await expand('session/s');
    const more = (await expand('group/s/pending')).at(-1)?.id ?? '';
    assert.deepEqual(drawing.growing(more), {parent: 'group/s/pending'});
    drawing.showMore('group/s/pending');
    assert.equal(drawing.children('group/s/pending').length, 401);
    assert.equal(drawing.reach('task/s/t450'), true);
    assert.ok(drawing.children('group/s/pending').includes('task/s/t450'));
    assert.equal(model.parent('task/s/t450'), 'group/s/pending');
    assert.equal(model.parent('group/s/pending'), 'session/s');
    assert.equal(model.parent('session/s'), DAY);
  });

  it('shows the last fifty tool calls while an attempt is open, and follows nothing else', async () => {
    rows.putSession('s');
    rows.putTasks('s', [{id: 'a', state: 'running', attempts: 1}]);
    const attempt = rows.putAttempt('s', 'a', 1);
    draw();
    for (const id of [undefined, DAY, 'session/s', 'task/s/a', `attempt/${attempt}`]) await expand(id);
    assert.deepEqual([...transcripts.followed.keys()], [attempt]);
    const take = transcripts.followed.get(attempt);
    take?.(Array.from({length: 60}, (_, index) => toolCall(`c${index}`, {command: `make ${index}`})));
    assert.deepEqual(touched(), [`attempt/${attempt}`]);
    const calls = await expand(`attempt/${attempt}`);
    assert.equal(calls.length, 50);
    assert.deepEqual([calls[0]?.label, calls[0]?.description], ['Bash', 'make 10']);
    take?.([{kind: 'toolResult', at: NOW, id: 'c59', isError: true, text: 'no rule'}]);
    assert.deepEqual(touched(), [`tool/${attempt}/c59`]);
    assert.equal(node(`tool/${attempt}/c59`).description, 'failed · make 59');
    model.watched(false);
    assert.deepEqual([...transcripts.followed.keys()], [], 'nobody looks');
    assert.equal(drawing.children(`attempt/${attempt}`).length, 50, 'what was read stays');
    model.watched(true);
    assert.deepEqual([...transcripts.followed.keys()], [attempt]);
    model.close(`attempt/${attempt}`);
    assert.deepEqual([...transcripts.followed.keys()], []);
  });

  it('keeps at most eight transcripts open', async () => {
    rows.putSession('s');
    const ids = Array.from({length: 10}, (_, index) => `t${index}`);
    rows.putTasks(
      's',
      ids.map(id => ({id, state: 'running'})),
    );
    const attempts = ids.map(id => rows.putAttempt('s', id, 1));
    draw();
    await expand('session/s');
    for (const attempt of attempts) await expand(`attempt/${attempt}`);
    assert.deepEqual([...transcripts.followed.keys()], attempts.slice(2));
  });

  it('warns of two running attempts that change one path, on both, and says which', async () => {
    rows.putSession('s');
    rows.putTasks('s', [
      {id: 'a', state: 'running'},
      {id: 'b', state: 'running'},
      {id: 'c', state: 'running'},
    ]);
    rows.putAttempt('s', 'a', 1, {paths: {names: ['src/one.ts', 'src/two.ts'], truncated: false}});
    rows.putAttempt('s', 'b', 1, {paths: {names: ['src/three.ts'], truncated: false}});
    rows.putAttempt('s', 'c', 1, {paths: {names: ['src/four.ts'], truncated: false}});
    draw();
    for (const id of [undefined, DAY, 'session/s']) await expand(id);
    touched();
    rows.putAttempt('s', 'b', 1, {paths: {names: ['src/three.ts', 'src/one.ts'], truncated: false}});
    assert.deepEqual([...(touched() as string[])].sort(), ['task/s/a', 'task/s/b']);
    assert.match(node('task/s/a').description ?? '', /^changes src\/one\.ts as b does · /);
    assert.equal(node('task/s/a').icon?.id, 'warning');
    rows.putAttempt('s', 'b', 1, {
      paths: {names: ['src/one.ts'], truncated: false},
      state: 'ended',
      outcome: 'succeeded',
    });
    rows.putTasks('s', [{id: 'b', state: 'succeeded'}]);
    assert.equal(node('task/s/a').icon?.id, 'sync', 'what has ended does not overlap');
  });

  it('says what an attempt went on from', async () => {
    rows.putSession('s');
    rows.putTasks('s', [{id: 'a', state: 'running'}]);
    rows.putAttempt('s', 'a', 2, {continued: {attemptId: 's.a.1', agentId: 'gone', calls: 7}});
    draw();
    for (const id of [undefined, DAY, 'session/s', 'task/s/a']) await expand(id);
    const text = 'continued from attempt 1 at tool call 7 on agent gone';
    assert.match(node('attempt/s.a.2').description ?? '', new RegExp(text));
  });

  it('shows what disk agents keep for a session', async () => {
    rows.putSession('s', {state: 'failed'});
    draw();
    for (const id of [undefined, DAY]) await expand(id);
    const kept = (bytes: number) => ({patch: {keptWorktrees: [{sessionId: 's', attempts: 1, bytes}]}});
    rows.putAgent('a-1', kept(1_500_000));
    rows.putAgent('a-2', kept(500_000));
    assert.deepEqual(touched(), ['session/s']);
    assert.match(node('session/s').description ?? '', / · 2\.0 MB kept$/);
  });

  it('lets go of a session that the coordinator has forgotten', async () => {
    rows.putSession('s-1');
    rows.putTasks('s-1', [{id: 'a', state: 'running'}]);
    draw();
    await expand(DAY);
    await expand('session/s-1');
    const {length} = rows.opened;
    rows.putSession('s-1', {state: 'succeeded', endedAt: NOW});
    assert.equal(rows.opened.length, length - 1, 'no running work of it is followed');
    rows.remove('sessions', 'session', 's-1');
    assert.deepEqual(rows.opened, []);
  });

  it('lets go of a session that is closed, and of everything when the coordinator goes', async () => {
    rows.putSession('s', {state: 'succeeded'});
    rows.putTasks('s', [{id: 'a', state: 'succeeded'}]);
    draw();
    for (const id of [undefined, DAY, 'session/s']) await expand(id);
    assert.deepEqual(rows.opened, ['s']);
    model.close('session/s');
    assert.deepEqual(rows.opened, []);
    await expand('session/s');
    rows.connect(false);
    assert.deepEqual(rows.opened, []);
    assert.equal(touched(), 'all');
    assert.deepEqual(await expand(undefined), []);
    rows.connect(true);
    assert.deepEqual(
      (await expand(undefined)).map(({label}) => label),
      ['Today'],
    );
  });
});

function usage(turns: number) {
  return {costUsd: turns, inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, turns};
}

function toolCall(id: string, input: Record<string, string>): TranscriptEvent {
  return {kind: 'toolCall', at: NOW, id, name: 'Bash', input};
}

/** Tasks that a running attempt has asked for, and parts of one that is divided, below their task in the tree of sessions. */
import assert from 'node:assert/strict';
import {ActiveWork} from '../../extension/views/model/activeWork.ts';
import {Drawing} from '../../extension/views/model/drawing.ts';
import {SessionsModel} from '../../extension/views/model/sessionsModel.ts';
import type {TreeNode} from '../../extension/views/model/treeModel.ts';
import {planOf, RowsInMemory} from './rowsInMemory.ts';

const SHA = 'c'.repeat(64);

describe('a task that was not done again in the tree', () => {
  it('says so, and whose result it has', async () => {
    const rows = new RowsInMemory();
    const work = new ActiveWork(rows);
    const model = new SessionsModel({
      fleet: rows,
      work,
      follow: () => ({whole: Promise.resolve(), dispose: () => undefined}),
      words: rows.words,
    });
    rows.plan = planOf({a: []});
    rows.putSession('s');
    const cached = {key: SHA, attemptId: 's-0.a.2', agentId: 'a-9', madeAt: 0, costUsd: 0.5};
    rows.putTasks('s', [{id: 'a', state: 'succeeded', cached}]);
    await model.open(undefined);
    await model.open('session/s');
    await new Promise(resolve => setImmediate(resolve));
    const node = model.node('task/s/a');
    assert.equal(node?.description, 'cached');
    assert.equal(node?.expansion, 'leaf');
    const line = node?.tooltip?.find(text => text.startsWith('Not done again')) ?? '';
    assert.match(line, /the result of s-0\.a\.2 on a-9, .* \(\$0\.50\)/);
    model.dispose();
    work.dispose();
  });
});

describe('parts of a task in the tree', () => {
  const rows = new RowsInMemory();
  const plan = planOf({lead: [], last: ['lead']});
  const [lead] = plan.tasks;
  assert.ok(lead);
  const child = (index: number, command: string) => ({
    ...lead,
    id: `_part-lead-${index}`,
    work: {kind: 'run' as const, command},
    parent: {taskId: 'lead', index},
  });
  const work = new ActiveWork(rows);
  const model = new SessionsModel({
    fleet: rows,
    work,
    follow: () => ({whole: Promise.resolve(), dispose: () => undefined}),
    words: rows.words,
  });
  const drawing = new Drawing(model, rows.words);
  const dirty = new Set<string>();
  model.onDirty(dirt => {
    for (const id of dirt === 'all' ? [] : dirt) dirty.add(id);
  });

  const expand = async (id: string | undefined): Promise<readonly TreeNode[]> => {
    await model.open(id);
    await new Promise(resolve => setImmediate(resolve));
    dirty.clear();
    return drawing.children(id).flatMap(each => drawing.node(each) ?? []);
  };
  const shown = (nodes: readonly TreeNode[]) => nodes.map(({label, description}) => [label, description]);

  before(async () => {
    rows.putAgent('a-1');
    rows.plan = plan;
    rows.putSession('s');
    rows.putTasks('s', [{id: 'lead', state: 'running', attempts: 1}, {id: 'last'}]);
    rows.putAttempt('s', 'lead', 1);
    await expand(undefined);
    await expand(model.children(undefined)[0]);
    assert.deepEqual(shown(await expand('session/s')), [
      ['lead', 'a-1 · 30s'],
      ['last', 'waits for lead'],
    ]);
    assert.deepEqual(shown(await expand('task/s/lead')), [['Attempt 1', 'a-1 · 30s']]);
  });
  after(() => {
    model.dispose();
    work.dispose();
  });

  it('come while it runs, and only their task is drawn anew', async () => {
    rows.putTasks('s', [
      {id: '_part-lead-1', state: 'succeeded', parentTaskId: 'lead'},
      {id: '_part-lead-2', state: 'ready', parentTaskId: 'lead'},
    ]);
    assert.deepEqual(drawing.touched(dirty), ['task/s/lead']);
    rows.plan = {...plan, tasks: [child(1, 'make docs\nmore'), child(2, 'make site'), ...plan.tasks]};
    rows.putSession('s', {plan: SHA});
    assert.deepEqual(shown(await expand('session/s')), [
      ['lead', 'a-1 · 30s · 1 of 2 parts done'],
      ['last', 'waits for lead'],
    ]);
    assert.deepEqual(shown(await expand('task/s/lead')), [
      ['Attempt 1', 'a-1 · 30s'],
      ['make docs', 'delegated'],
      ['make site', 'delegated · waits for a free agent'],
    ]);
    assert.equal(model.parent('task/s/_part-lead-1'), 'task/s/lead');
    assert.ok(model.node('task/s/_part-lead-2')?.tooltip?.includes('Part of lead'));
  });

  it('are drawn anew with their task, which counts them, when one has ended', () => {
    dirty.clear();
    rows.putTasks('s', [{id: '_part-lead-2', state: 'succeeded'}]);
    assert.deepEqual(drawing.touched(dirty), ['task/s/lead']);
    assert.match(model.node('task/s/lead')?.description ?? '', /2 of 2 parts done$/);
  });

  it('that the plan divided it into are not called delegated', async () => {
    rows.plan = {...plan, tasks: [child(1, 'one'), child(2, 'two'), {...lead, parts: 1}]};
    rows.putSession('s', {plan: 'd'.repeat(64)});
    assert.deepEqual(shown(await expand('task/s/lead')).slice(1), [
      ['one', undefined],
      ['two', 'delegated'],
    ]);
  });

  it('are in their groups where there are many tasks', () => {
    rows.putTasks(
      's',
      Array.from({length: 250}, (_, at) => ({id: `t${at}`})),
    );
    assert.deepEqual(model.children('task/s/lead'), ['attempt/s.lead.1']);
    assert.equal(model.parent('task/s/_part-lead-1'), 'group/s/succeeded');
  });
});

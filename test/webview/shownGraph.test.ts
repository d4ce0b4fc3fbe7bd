/** What a graph page is about: which changes of rows and plan want a layout, and which are but looks. */
import assert from 'node:assert/strict';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import {PageFeed} from '../../webview/feed/pageFeed.ts';
import {ShownGraph} from '../../webview/graph/shownGraph.ts';
import {planOf} from '../extension/rowsInMemory.ts';
import {RecordingHost} from './recordingHost.ts';

const ROWS = 't1';
const PLAN = 't2';

function taskRow(id: string, state: TaskRecord['state'], more: Pick<TaskRecord, 'mergeFor'> = {}): Row {
  const counts = {attempts: 0, retries: 0, losses: 0, usage: NO_USAGE, origin: 'plan' as const};
  const task = {v: 1, principal: 'client:one', sessionId: 's-1', id, state, ...counts, ...more};
  return {kind: 'task', id, task};
}

describe('the graph that a page shows', () => {
  let host: RecordingHost;
  let told: string[];
  let shown: ShownGraph;
  beforeEach(() => {
    host = new RecordingHost();
    told = [];
    shown = new ShownGraph({
      reshaped: graph => told.push(`shape ${graph.nodes.map(({id}) => id).join()}`),
      changed: taskIds => told.push(`looks ${[...taskIds].join()}`),
      told: () => undefined,
      troubled: () => told.push('trouble'),
    });
    shown.follow({page: 'graph', sessionId: 's-1'}, new PageFeed(host));
  });
  afterEach(() => shown.dispose());

  const plan = planOf({one: [], two: ['one']});

  it('has no tasks without edges: rows wait for their plan', () => {
    host.feed(ROWS, 1, 1, {kind: 'rows', rows: [taskRow('one', 'running')], revision: 1});
    assert.equal(shown.graph, undefined);
    host.feed(PLAN, 1, 1, {kind: 'plan', plan});
    assert.deepEqual(told.at(-1), 'shape one,two');
  });

  it('wants a layout when a task is added to it, and none when one looks different', () => {
    host.feed(PLAN, 1, 1, {kind: 'plan', plan});
    host.feed(ROWS, 1, 1, {kind: 'rows', rows: [taskRow('one', 'running')], revision: 1});
    told.length = 0;
    const later = (seq: number, ...upserts: Row[]): void =>
      host.feed(ROWS, 1, seq, {kind: 'changes', revision: seq, upserts, deletes: []});
    later(2, taskRow('one', 'succeeded'));
    assert.deepEqual(told, ['looks one']);
    later(3, taskRow('_merge-two', 'ready', {mergeFor: 'two'}));
    assert.match(told.at(-1) ?? '', /^shape .*_merge-two/);
  });

  it('wants no layout for a plan of the same shape', () => {
    host.feed(PLAN, 1, 1, {kind: 'plan', plan});
    host.feed(PLAN, 1, 2, {kind: 'plan', plan: {...plan, name: 'another'}});
    assert.deepEqual(told, ['shape one,two', 'looks one,two']);
    shown.forgetShape();
    host.feed(PLAN, 1, 3, {kind: 'plan', plan: {...plan}});
    assert.deepEqual(told.at(-1), 'shape one,two');
  });

  it('shows rows as they were, whatever comes meanwhile, and those that are again afterwards', () => {
    host.feed(PLAN, 1, 1, {kind: 'plan', plan});
    host.feed(ROWS, 1, 1, {kind: 'rows', rows: [taskRow('one', 'succeeded')], revision: 1});
    shown.past = new Map([['task/one', taskRow('one', 'ready')]]);
    shown.refresh();
    host.feed(ROWS, 1, 2, {kind: 'changes', revision: 2, upserts: [taskRow('two', 'running')], deletes: []});
    assert.deepEqual(
      [...shown.live.tasks.values()].map(({id, state}) => `${id} ${state}`),
      ['one ready'],
    );
    shown.past = undefined;
    shown.refresh();
    assert.deepEqual(
      [...shown.live.tasks.values()].map(({id, state}) => `${id} ${state}`),
      ['one succeeded', 'two running'],
    );
  });

  it('says why there is no plan, until there is one', () => {
    host.feed(PLAN, 1, 1, {kind: 'failed', message: 'the plan is gone'});
    assert.deepEqual([shown.trouble, told], ['the plan is gone', ['trouble']]);
    host.feed(PLAN, 2, 1, {kind: 'plan', plan});
    assert.equal(shown.trouble, undefined);
  });
});

/** The trees of agents, approvals and shared state from rows in memory, and what a person is told. */
import assert from 'node:assert/strict';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {MemoryRecord} from '../../coordinator/protocol/model/facts.ts';
import {ActiveWork} from '../../extension/views/model/activeWork.ts';
import {AgentsModel} from '../../extension/views/model/agentsModel.ts';
import {ApprovalsModel} from '../../extension/views/model/approvalsModel.ts';
import {Drawing} from '../../extension/views/model/drawing.ts';
import {Notices} from '../../extension/views/model/notices.ts';
import {foldersOf, SharedStateModel} from '../../extension/views/model/sharedStateModel.ts';
import {inputSummary} from '../../extension/views/model/toolCalls.ts';
import type {TreeModel, TreeNode} from '../../extension/views/model/treeModel.ts';
import {NOW, RowsInMemory} from './rowsInMemory.ts';

function nodesBelow(model: TreeModel, id?: string): TreeNode[] {
  return model.children(id).map(child => {
    const node = model.node(child);
    assert.ok(node, `no node ${child}`);
    return node;
  });
}

describe('tree of agents', () => {
  it('groups agents by region, with state, load, trouble and cost', () => {
    const rows = new RowsInMemory();
    rows.putAgent('b-1', {
      metadata: {region: 'eu', maxConcurrentTasks: 2, performanceMetrics: {costUsd: 1.5}},
      instance: {status: 'busy'},
    });
    rows.putAgent('b-2', {metadata: {region: 'eu', claude: {kind: 'missing', hint: 'install it'}}});
    rows.putAgent('b-3', {metadata: {region: 'eu'}, patch: {draining: true}});
    rows.putAgent('b-4', {
      metadata: {region: 'eu'},
      patch: {pausedUntil: NOW + 600_000, pauseReason: 'the account is at its limit'},
    });
    rows.putAgent('c-1', {
      online: false,
      metadata: {region: 'us'},
      instance: {
        status: 'unreachable',
        healthcheck: {lastSeen: NOW - 120_000, responseTime: 3, errorRate: 0.5},
      },
    });
    rows.putSession('s');
    rows.putAttempt('s', 'build', 1, {agentId: 'b-1'});
    const model = new AgentsModel(rows, new ActiveWork(rows), rows.words);
    assert.deepEqual(
      nodesBelow(model).map(({label, description}) => [label, description]),
      [
        ['eu', '4 of 4 online'],
        ['us', '0 of 1 online'],
      ],
    );
    assert.deepEqual(
      [...nodesBelow(model, 'region/eu'), ...nodesBelow(model, 'region/us')].map(node => [
        node.label,
        node.description,
        node.contextValue,
      ]),
      [
        ['b-1', 'busy · 1/2 · $1.50', 'agent.taking'],
        ['b-2', 'idle · 0/1 · no Claude Code', 'agent.taking'],
        ['b-3', 'draining · 0/1', 'agent.draining'],
        ['b-4', 'paused until 12:10 · 0/1', 'agent.taking'],
        ['c-1', 'unreachable, last seen 2 min ago', 'agent.gone'],
      ],
    );
    assert.ok(model.node('agent/b-4')?.tooltip?.includes('the account is at its limit'));
    assert.ok(
      model.node('agent/c-1')?.tooltip?.includes('Health: last seen 2 min ago, answers in 3 ms, 50 % errors'),
    );
    assert.deepEqual(
      nodesBelow(model, 'agent/b-1').map(({label, description}) => [label, description]),
      [['build', 'name of s · 30s']],
    );
  });

  it('draws only the agent whose load changed', () => {
    const rows = new RowsInMemory();
    for (const id of ['a-1', 'a-2', 'a-3']) rows.putAgent(id);
    rows.putSession('s');
    const model = new AgentsModel(rows, new ActiveWork(rows), rows.words);
    const drawing = new Drawing(model, rows.words);
    const draw = (id?: string): void => {
      for (const child of drawing.children(id))
        if (drawing.node(child) && child.startsWith('region/')) draw(child);
    };
    draw();
    const dirty = new Set<string>();
    model.onDirty(dirt => {
      for (const id of dirt === 'all' ? [] : dirt) dirty.add(id);
    });
    rows.putAttempt('s', 'build', 1, {agentId: 'a-2'});
    assert.deepEqual(drawing.touched(dirty), ['agent/a-2']);
  });
});

describe('list of approvals', () => {
  it('shows what is asked, by whom and for how long, the oldest first', () => {
    const rows = new RowsInMemory();
    rows.putSession('s');
    rows.putApproval('s', 'p-2', {kind: 'decision', subject: 'losses', message: 'a was lost 3 times'});
    rows.putApproval(
      's',
      'p-1',
      {kind: 'permission', tool: 'Bash', input: {command: 'rm -rf build', description: 'Clean'}},
      {askedAt: NOW - 120_000, attemptId: 's.a.1'},
    );
    const model = new ApprovalsModel(rows, rows.words);
    assert.deepEqual(
      nodesBelow(model).map(({label, description, contextValue, click}) => [
        label,
        description,
        contextValue,
        click?.name,
      ]),
      [
        ['Bash: rm -rf build', 'a · name of s · 2 min ago', 'approval.permission', 'attach'],
        ['a was lost 3 times', 'a · name of s · 10 s ago', 'approval.decision', undefined],
      ],
    );
    let drawn = 0;
    model.onDirty(() => {
      drawn += 1;
    });
    rows.remove('approvals', 'approval', 's/p-1');
    assert.deepEqual([model.count, drawn], [1, 1]);
  });

  it('names the one thing of an input that matters', () => {
    const cases: readonly [unknown, string][] = [
      [{command: 'make\n  all'}, 'make all'],
      [{file_path: '/home/me/project/src/deep/one.ts', content: 'x'}, '…/src/deep/one.ts'],
      [{file_path: 'src/one.ts'}, 'src/one.ts'],
      [{file_path: '/agents/a/attempts/s.a.1/worktree/src/one.ts'}, 'src/one.ts'],
      [{questions: [{question: 'Which colour?'}]}, 'Which colour?'],
      [{amount: 3}, '{"amount":3}'],
      [{}, ''],
    ];
    for (const [input, summary] of cases) assert.equal(inputSummary(input, 's.a.1'), summary);
  });
});

describe('tree of shared state', () => {
  it('splits keys at their slashes, folders first', () => {
    const folders = foldersOf(['plain', 'api/shape', 'api/v2/shape', 'api/v1', 'api']);
    assert.deepEqual(Object.fromEntries(folders), {
      '': ['api/', 'api', 'plain'],
      'api/': ['api/v2/', 'api/shape', 'api/v1'],
      'api/v2/': ['api/v2/shape'],
    });
  });

  it('watches a session only while it is open, and follows its keys', async () => {
    const rows = new RowsInMemory();
    rows.putSession('s');
    const memory = new Map<string, Row>();
    const tell: (() => void)[] = [];
    const model = new SharedStateModel(
      rows,
      (_, changed) => {
        tell.push(changed);
        return {
          get rows() {
            return memory.values();
          },
          isWhole: true,
          dispose: () => void tell.pop(),
        };
      },
      rows.words,
    );
    const put = (key: string, value: number, version: number): void => {
      const record = MemoryRecord.parse({
        v: 1,
        principal: 'test',
        value,
        timestamp: NOW,
        checksum: 'b'.repeat(64),
      });
      memory.set(key, {kind: 'memory', id: `s/${key}`, key, memory: record, version});
    };
    put('api/shape', 1, 1);
    assert.equal(tell.length, 0);
    await model.open('state/s/');
    assert.deepEqual(
      nodesBelow(model, 'state/s/').map(({label}) => label),
      ['api'],
    );
    const [shape] = nodesBelow(model, 'state/s/api/');
    assert.deepEqual(
      [shape?.label, shape?.description, shape?.contextValue, shape?.target],
      ['shape', '1 · v1', 'stateKey', {kind: 'stateKey', sessionId: 's', key: 'api/shape'}],
    );
    let dirty: unknown;
    model.onDirty(dirt => {
      dirty = dirt;
    });
    put('api/shape', 2, 2);
    tell[0]?.();
    assert.ok(dirty instanceof Set && dirty.has('state/s/api/shape'));
    assert.equal(nodesBelow(model, 'state/s/api/')[0]?.description, '2 · v2');
    assert.equal(model.parent('state/s/api/shape'), 'state/s/api/');
    model.close('state/s/');
    assert.equal(tell.length, 0);
  });
});

describe('notices', () => {
  const look = (notices: Notices, rows: RowsInMemory) => {
    const work = new ActiveWork(rows);
    const {waiting, sessions} = rows;
    const found = notices.look({
      waiting,
      sessions,
      running: work.all(),
      overlapsOf: attempt => work.overlapsOf(attempt),
    });
    work.dispose();
    return found.map(({kind}) => kind);
  };

  it('tell each thing once, over reloads too', () => {
    const rows = new RowsInMemory();
    rows.putSession('s');
    rows.putApproval('s', 'p-1', {kind: 'permission', tool: 'Write', input: {}});
    let notices = new Notices(undefined);
    assert.deepEqual(look(notices, rows), ['approval']);
    assert.deepEqual(look(notices, rows), []);
    notices = new Notices(JSON.parse(JSON.stringify(notices.memory)));
    assert.deepEqual(look(notices, rows), []);
    rows.putAttempt('s', 'a', 1, {unreachableSince: NOW - 1000});
    assert.deepEqual(look(notices, rows), ['lost']);
    rows.putSession('s', {state: 'succeeded', endedAt: NOW});
    assert.deepEqual(
      look(new Notices(notices.memory), rows),
      ['ended'],
      'it ended while the window was closed',
    );
    assert.deepEqual(look(notices, rows), ['ended']);
    assert.deepEqual(look(notices, rows), []);
  });

  it('do not tell of sessions that had ended before', () => {
    const rows = new RowsInMemory();
    rows.putSession('s', {state: 'failed', endedAt: NOW});
    assert.deepEqual(look(new Notices(undefined), rows), []);
  });

  it('tell of an overlap once for both', () => {
    const rows = new RowsInMemory();
    rows.putSession('s');
    rows.putAttempt('s', 'a', 1, {paths: {names: ['x'], truncated: false}});
    rows.putAttempt('s', 'b', 1, {paths: {names: ['x', 'y'], truncated: false}});
    assert.deepEqual(look(new Notices(undefined), rows), ['overlap']);
  });
});

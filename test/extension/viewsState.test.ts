/** Conflicts and the past of shared memory, as the editor shows them. */
import assert from 'node:assert/strict';
import type {MemoryVersion} from '../../coordinator/protocol/commands/memory.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {MemoryRecord} from '../../coordinator/protocol/model/facts.ts';
import {MemoryConflictRecord} from '../../coordinator/protocol/model/memory.ts';
import {Emitter} from '../../coordinator/runtime/emitter.ts';
import {aspectOf, aspectQuery, type StateAspect} from '../../extension/documents/stateUri.ts';
import {historyRows} from '../../extension/views/model/keyHistory.ts';
import {SharedStateModel} from '../../extension/views/model/sharedStateModel.ts';
import {NOW, RowsInMemory} from './rowsInMemory.ts';

const record = (value: number) =>
  MemoryRecord.parse({v: 1, principal: 'client:ada', value, timestamp: NOW, checksum: 'b'.repeat(64)});

const conflict = (id: string, key: string, sessionId = 's') =>
  MemoryConflictRecord.parse({
    v: 1,
    principal: 'agent:a-1',
    id,
    sessionId,
    key,
    reason: 'concurrent',
    at: NOW,
    agentId: 'a-1',
    theirs: {value: 2, revision: 9, version: 2, principal: 'client:ada', clock: {hub: 9}},
    mine: {value: 3, principal: 'agent:a-1', attemptId: `${sessionId}.work.1`, clock: {hub: 1, run: 1}},
  });

describe('conflicts in the tree of shared state', () => {
  const changes = new Emitter<void>();
  const conflicts = {all: [] as MemoryConflictRecord[], onChange: changes.event};
  const show = (...all: MemoryConflictRecord[]): void => {
    conflicts.all = all;
    changes.emit();
  };
  const makeModel = () => {
    const rows = new RowsInMemory();
    rows.putSession('s');
    rows.putSession('other');
    const memory: Row[] = [{kind: 'memory', id: 'k', key: 'k', memory: record(2), version: 2}];
    const watch = () => ({rows: memory, isWhole: true, dispose: () => undefined});
    return new SharedStateModel(rows, watch, rows.words, conflicts);
  };

  it('stand above the keys of their session, and mark their key and their session', async () => {
    show();
    const model = makeModel();
    let dirty: unknown;
    model.onDirty(dirt => {
      dirty = dirt;
    });
    await model.open('state/s/');
    assert.deepEqual(model.children('state/s/'), ['state/s/k']);
    assert.equal(model.node('state/s/k')?.icon?.id, 'symbol-key');
    show(conflict('c-1', 'k'));
    assert.equal(dirty, 'all');
    assert.deepEqual(model.children('state/s/'), ['conflict/s/c-1', 'state/s/k']);
    const node = model.node('conflict/s/c-1');
    assert.deepEqual(
      [node?.label, node?.description, node?.contextValue, node?.icon?.id, node?.click?.name],
      ['k', 'conflict · 2 ↔ 3', 'stateConflict', 'warning', 'showStateConflict'],
    );
    assert.deepEqual(node?.target, {kind: 'stateConflict', sessionId: 's', conflictId: 'c-1'});
    assert.equal(model.parent('conflict/s/c-1'), 'state/s/');
    assert.deepEqual(
      [model.node('state/s/k')?.icon?.id, model.node('state/s/k')?.description],
      ['warning', 'conflict · 2 · v2'],
    );
    assert.match(model.node('state/s/')?.description ?? '', /^1 conflict · 1 key/);
    model.dispose();
  });

  it('say what was rolled back and what others have now', () => {
    const made = conflict('c-1', 'k');
    const base = {...made.mine, value: 1, attemptId: 's.page.2'};
    show({...made, reason: 'rolledBack', base, mine: {principal: 'hub', clock: {}}});
    const model = makeModel();
    const node = model.node('conflict/s/c-1');
    assert.equal(node?.description, 'rolled back · 2 ↔ (deleted)');
    assert.deepEqual(node?.tooltip?.slice(1, 3), [
      'page wrote it and was rolled back, and others had written on top of that',
      'Mine (as before that task): (deleted)',
    ]);
    model.dispose();
  });

  it('are counted in all sessions, whether somebody looks or not', () => {
    show(conflict('c-1', 'k'), conflict('c-2', 'k', 'other'), conflict('c-3', 'l', 'other'));
    const model = makeModel();
    assert.equal(model.waiting, 3);
    assert.match(model.node('state/other/')?.description ?? '', /^2 conflicts/);
    assert.equal(model.node('state/other/')?.icon?.id, 'warning');
    show();
    assert.equal(model.waiting, 0);
    assert.equal(model.node('conflict/s/c-1'), undefined);
    model.dispose();
  });
});

describe('the past of a key', () => {
  it('is a row a version, of which one is what the key has', () => {
    const put = (revision: number, version: number): MemoryVersion => ({
      kind: 'put',
      revision,
      version,
      record: record(version),
    });
    const gone: MemoryVersion = {
      kind: 'delete',
      revision: 7,
      deletion: {v: 1, principal: 'client:bob', timestamp: NOW, version: 2},
    };
    const {words} = new RowsInMemory();
    const rows = historyRows([put(9, 1), gone, put(5, 2)], words);
    assert.deepEqual(
      rows.map(({revision, label, detail, isPresent}) => [revision, label, detail, isPresent]),
      [
        [9, 'v1', '1', true],
        [7, 'deleted', 'Revision 7', false],
        [5, 'v2', '2', false],
      ],
    );
    assert.match(rows[1]?.description ?? '', /client:bob/);
    assert.deepEqual(
      historyRows([gone], words).map(({isPresent}) => isPresent),
      [false],
    );
  });

  const aspects: readonly StateAspect[] = [
    {kind: 'live'},
    {kind: 'current'},
    {kind: 'past', revision: 12},
    {kind: 'mine', conflictId: '0af3'},
  ];
  for (const aspect of aspects)
    it(`has an address of its own: ${aspect.kind}`, () =>
      assert.deepEqual(aspectOf(aspectQuery(aspect)), aspect));
  for (const query of ['at=', 'at=0', 'at=1x', 'mine=', 'mine=a b', 'else'])
    it(`is not at ${query}`, () => assert.equal(aspectOf(query), undefined));
});

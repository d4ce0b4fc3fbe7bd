/** What the tree says of agents that are held back, and of how they came to it. */
import assert from 'node:assert/strict';
import {ActiveWork} from '../../extension/views/model/activeWork.ts';
import {AgentsModel} from '../../extension/views/model/agentsModel.ts';
import type {AskAgentPast} from '../../extension/views/model/agentTrouble.ts';
import {NOW, RowsInMemory} from './rowsInMemory.ts';

const REASON = '3 of its last attempts failed by its own fault, the last by crashed: ended by SIGKILL';

describe('agents in trouble', () => {
  const quarantined = {
    kind: 'quarantined',
    since: NOW - 60_000,
    until: NOW + 600_000,
    reason: REASON,
    strikes: 2,
  };
  const rowsWith = (patch: Record<string, unknown>, instance = {}): RowsInMemory => {
    const rows = new RowsInMemory();
    rows.putAgent('a-1', {metadata: {region: 'eu', maxConcurrentTasks: 2}, patch, instance});
    return rows;
  };
  const modelOf = (rows: RowsInMemory, past?: AskAgentPast): AgentsModel =>
    new AgentsModel(rows, new ActiveWork(rows), rows.words, past);

  it('are shown in quarantine, with the reason, its time and how often', () => {
    const rows = rowsWith(
      {quarantine: quarantined, stateSince: NOW - 60_000, transition: 'hold'},
      {status: 'maintenance'},
    );
    const model = modelOf(rows);
    const node = model.node('agent/a-1');
    assert.ok(node);
    assert.deepEqual(
      [node.description, node.icon, node.contextValue],
      ['in quarantine until 12:10 · 0/2', {id: 'shield', color: 'list.errorForeground'}, 'agent.taking.held'],
    );
    assert.equal(model.node('region/eu')?.description, '1 of 1 online · 1 in quarantine');
    const lines = node.tooltip ?? [];
    for (const line of [
      'It was held: no new work, 1 min ago',
      'In quarantine since 15 Jun 2026, 11:59:00 until 15 Jun 2026, 12:10:00: it gets no work.',
      `Why: ${REASON}`,
      'Times in a row: 2',
    ])
      assert.ok(lines.includes(line), `${line} is not in ${lines.join('\n')}`);
  });

  it('are on probation when the quarantine is over, with what succeeded since', () => {
    const over = modelOf(rowsWith({quarantine: {...quarantined, until: NOW - 1}})).node('agent/a-1');
    assert.equal(over?.description, 'idle, on probation · 0/2');
    const {until: _, ...rest} = quarantined;
    const rows = rowsWith({quarantine: {...rest, kind: 'probation', succeeded: 1}, draining: true});
    const node = modelOf(rows).node('agent/a-1');
    assert.deepEqual(
      [node?.description, node?.icon, node?.contextValue],
      ['draining, on probation · 0/2', {id: 'shield', color: 'charts.yellow'}, 'agent.draining.held'],
    );
    assert.ok(
      node?.tooltip?.includes(
        'On probation since 15 Jun 2026, 11:59:00: one attempt at a time; 1 succeeded since.',
      ),
    );
  });

  it('are unreachable while their lease stands, with what is wrong', () => {
    const rows = rowsWith(
      {trouble: '5 commands in a row were not answered', stateSince: NOW - 10_000, transition: 'silence'},
      {status: 'unreachable'},
    );
    const node = modelOf(rows).node('agent/a-1');
    assert.deepEqual(
      [node?.description, node?.icon?.id, node?.contextValue],
      ['unreachable: 5 commands in a row were not answered · 0/2', 'debug-disconnect', 'agent.taking'],
    );
    assert.ok(node?.tooltip?.includes('It fell silent, 10 s ago'));
  });

  it('have a past, which is asked for when somebody points at one', async () => {
    const asked: string[] = [];
    const classOf = (name: string, succeeded: number, failed: number, lost: number) => ({
      ...{name, succeeded, failed, lost},
      ...{meanMs: 61_000, durationsMs: [], lastAt: NOW},
    });
    const model = modelOf(rowsWith({}), agentId => {
      asked.push(agentId);
      return Promise.resolve({
        classes: [classOf('run', 0, 3, 0), classOf('prompt:security', 2, 0, 1)],
        member: {
          ...{v: 1 as const, principal: 'hub', agentId, provider: 'process', coordinator: 'c'},
          ...{startedAt: NOW, state: 'running' as const, failures: 2, lastFailure: 'exit 1\nmore'},
        },
      });
    });
    assert.equal(model.node('agent/a-1')?.moreTooltip, true);
    assert.deepEqual(asked, []);
    assert.deepEqual(await model.moreTooltip('agent/a-1'), [
      'Attempts so far: 2 succeeded, 3 failed, 1 lost',
      'prompt:security: 2 of 3 succeeded, 1m01s on average',
      'run: 0 of 3 succeeded',
      'Started by the cluster (process)',
      'Starts that failed: 2. Last: exit 1',
    ]);
    assert.deepEqual(await model.moreTooltip('region/eu'), []);
    assert.deepEqual(asked, ['a-1']);
  });
});

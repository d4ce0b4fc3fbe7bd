/** Where parts of tasks stand in a report. */
import assert from 'node:assert/strict';
import {readSession} from '../../coordinator/client/report/sessionReport.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';

const own = {v: 1, principal: 'c', sessionId: 's'};
const counts = {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0};

function task(id: string, parentTaskId?: string): Row {
  const record = {
    ...own,
    id,
    state: 'pending',
    attempts: 0,
    retries: 0,
    losses: 0,
    usage: NO_USAGE,
    parentTaskId,
  };
  return {kind: 'task', id, task: TaskRecord.parse(record)};
}

describe('parts of tasks in a report', () => {
  it('stand before the task that they are parts of, also those that the plan of the start does not have', () => {
    const session = SessionRecord.parse({
      ...{...own, id: 's', name: 's', state: 'running', plan: '0'.repeat(64)},
      ...{createdAt: 0, strategy: 'x', spentUsd: 0, counts},
    });
    const parsed = parsePlan(
      'name: p\ntasks: [{id: z, run: "true"}, {id: lead, run: "true"}, {id: a, run: "true"}]',
    );
    assert.equal(parsed.kind, 'plan');
    const rows: Row[] = [
      {kind: 'session', id: 's', session},
      ...[task('a'), task('lead'), task('z'), task('_result')],
      ...[task('_part-lead-1', 'lead'), task('_part-lead-2', 'lead'), task('_part-lead-1_1', '_part-lead-1')],
    ];
    const report = readSession(rows, 's', parsed.kind === 'plan' ? parsed.plan : undefined);
    assert.deepEqual(
      report?.tasks.map(({record}) => record.id),
      ['z', '_part-lead-1_1', '_part-lead-1', '_part-lead-2', 'lead', 'a', '_result'],
    );
    assert.equal(report?.tasks.find(({record}) => record.id === '_part-lead-2')?.title, 'part of lead');
  });
});

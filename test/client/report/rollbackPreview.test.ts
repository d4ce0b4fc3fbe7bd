/** What a person is told before a rollback is what the coordinator then undoes. */
import assert from 'node:assert/strict';
import {
  canRollBack,
  rollbackPoints,
  rollbackPreview,
} from '../../../coordinator/client/report/rollbackPreview.ts';
import {TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {sessionOf} from '../../tasks/nodes.ts';

const PLAN = `name: points
workspace: none
tasks:
  - {id: base, run: "true", syncPoint: laid}
  - {id: page, run: "true", dependsOn: base, syncPoint: built, rollback: {compensate: rm page}}
  - {id: docs, run: "true", syncPoint: built}
  - {id: site, run: "true", dependsOn: page}
  - {id: free, run: "true"}
`;

describe('preview of a rollback', () => {
  const parsed = parsePlan(PLAN);
  assert.ok(parsed.kind === 'plan', JSON.stringify(parsed));
  const {plan} = parsed;
  const tasks = (states: Readonly<Record<string, TaskRecord['state']>>): TaskRecord[] =>
    Object.entries(states).map(([id, state]) =>
      TaskRecord.parse({
        ...{v: 1, principal: 'test', sessionId: 's', id, state},
        ...{attempts: 1, retries: 0, losses: 0, usage: NO_USAGE},
      }),
    );
  const done = tasks({
    base: 'succeeded',
    page: 'succeeded',
    docs: 'succeeded',
    site: 'succeeded',
    free: 'succeeded',
    _result: 'succeeded',
  });

  it('knows the points of the plan', () => assert.deepEqual(rollbackPoints(plan), ['laid', 'built']));

  it('is everything that has succeeded, or what is behind a point', () => {
    assert.deepEqual(rollbackPreview(plan, done).undone, ['base', 'page', 'docs', 'site', 'free']);
    assert.deepEqual(rollbackPreview(plan, done, 'laid'), {
      undone: ['page', 'site'],
      compensated: ['page'],
      stopped: [],
    });
    assert.deepEqual(rollbackPreview(plan, done, 'built').undone, ['site']);
  });

  it('leaves out what has not succeeded, and stops what runs wherever it is', () => {
    const states = tasks({
      base: 'succeeded',
      page: 'failed',
      docs: 'verifying',
      free: 'running',
      site: 'ready',
    });
    assert.deepEqual(rollbackPreview(plan, states, 'laid'), {
      undone: [],
      compensated: [],
      stopped: ['docs', 'free'],
    });
  });

  it('is offered for all but what is rolled back as a whole', () => {
    const counts = {total: 2, succeeded: 1, failed: 0, cancelled: 0, running: 0, waiting: 0};
    const can = (patch: Partial<Parameters<typeof canRollBack>[0]>): boolean =>
      canRollBack(sessionOf(plan, {counts, ...patch}).record);
    const by = {by: 'me', at: 1};
    assert.deepEqual(
      [
        can({state: 'running'}),
        can({state: 'succeeded'}),
        can({state: 'ending'}),
        can({state: 'rolledBack', rollback: by}),
        can({state: 'rolledBack', rollback: {...by, syncPoint: 'laid'}}),
      ],
      [true, true, false, false, true],
    );
  });
});

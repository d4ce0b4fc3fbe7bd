/** The lead on a real store, with agents that answer through it: what becomes of sessions. */
import assert from 'node:assert/strict';
import {Harness, planOf} from './leadHarness.ts';

describe('Lead', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.open();
  });
  afterEach(() => harness.close());

  it('runs a diamond in order and ends the session as succeeded', async () => {
    const agent = await harness.fleet.add({id: 'a-1', slots: 2});
    const plan = planOf([
      {id: 'top'},
      {id: 'left', dependsOn: ['top']},
      {id: 'right', dependsOn: ['top']},
      {id: 'bottom', dependsOn: ['left', 'right']},
    ]);
    const {created, session} = await harness.start(plan);
    assert.equal(created, true);
    assert.equal(session.counts.total, 4);
    const ended = await harness.untilEnded();
    assert.equal(ended.state, 'succeeded');
    assert.equal(ended.counts.succeeded, 4);
    const order = agent.assigned.map(assign => assign.taskId);
    assert.equal(order[0], 'top');
    assert.equal(order[3], 'bottom');
    assert.deepEqual([...order.slice(1, 3)].sort(), ['left', 'right']);
  });
});

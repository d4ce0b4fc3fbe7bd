/** What is refused because too much is open, and that nothing which was accepted is lost by it. */
import assert from 'node:assert/strict';
import {isProtocolError, type ProtocolError} from '../../../coordinator/protocol/errors.ts';
import {tenantKeys} from '../../../coordinator/protocol/model/keys.ts';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {keys} from '../fakeFleet.ts';
import {client, Harness, planOf, specOf} from '../leadHarness.ts';

const RUN = {kind: 'run', command: 'true'} as const;
const tasks = (count: number): (Partial<TaskSpecification> & {id: string})[] =>
  Array.from({length: count}, (_, index) => ({id: `t${index}`, work: RUN, estimateMs: 60_000}));

describe('Admission', () => {
  let harness: Harness;
  const open = async (settings: Parameters<typeof Harness.open>[0]) => {
    harness = await Harness.open(settings);
  };
  afterEach(() => harness.close());

  const start = (id: string, count = 1) => harness.start(planOf(tasks(count)), {id});
  const refusal = async (attempt: Promise<unknown>): Promise<ProtocolError> => {
    const error = await attempt.then(
      () => assert.fail('it was accepted'),
      (failure: unknown) => failure,
    );
    assert.ok(isProtocolError(error), String(error));
    return error;
  };

  it('refuses a session beyond the bound, says which bound, where it is changed and how long to wait, and stores nothing of it', async () => {
    await open({maxSessions: 2});
    await harness.fleet.add({id: 'a-1', work: () => undefined});
    await start('s-1');
    await harness.untilTask('t0', ({state}) => state === 'running');
    await start('s-2', 3);
    const error = await refusal(start('s-3'));
    assert.equal(error.kind, 'overloaded');
    assert.match(error.message, /2 sessions in all are open/);
    assert.match(error.message, /try again in about 60 s, or raise .* maxSessions .*--set maxSessions=N/);
    const {retryAfterMs, ...details} = error.data as Record<string, unknown>;
    assert.deepEqual(details, {setting: 'maxSessions', bound: 2, open: 2, wanted: 1});
    // The shorter of the two has one task of a minute left.
    assert.equal(retryAfterMs, 60_000);
    assert.deepEqual((await harness.store.range(keys.tasks('s-3'))).kvs, []);
    // What was accepted is answered again, and runs to its end.
    assert.equal((await start('s-2', 3)).created, false);
    await harness.lead.endSession({sessionId: 's-1', mode: 'cancel'}, client);
    await harness.untilEnded('s-1');
    assert.equal((await start('s-3')).created, true);
  });

  it('counts what is being started, so that several at once are not too many', async () => {
    await open({maxSessions: 3});
    const ids = Array.from({length: 8}, (_, index) => `s-${index}`);
    const outcomes = await Promise.allSettled(ids.map(id => start(id)));
    assert.equal(outcomes.filter(({status}) => status === 'fulfilled').length, 3);
    const {kvs} = await harness.store.range(keys.sessions);
    assert.equal(kvs.length, 3);
  });

  it('bounds tasks, of plans and of what is added to them, and says when waiting is of no use', async () => {
    await open({maxTasks: 4});
    await start('s-1', 3);
    const grow = (count: number) =>
      harness.lead.controlSession(
        {
          sessionId: 's-1',
          action: {kind: 'addTasks', tasks: tasks(3 + count).map(task => specOf(task))},
        },
        client,
      );
    const error = await refusal(grow(2));
    assert.deepEqual(error.data, {setting: 'maxTasks', bound: 4, open: 3, wanted: 2});
    assert.match(error.message, /no agent works them off/);
    assert.equal((await grow(1)).session.counts.total, 4);
    assert.equal((await refusal(start('s-2', 5))).kind, 'tooLarge');
    assert.equal((await refusal(start('s-2', 1))).kind, 'overloaded');
    await harness.fleet.add({id: 'a-1', slots: 4});
    assert.equal((await harness.untilEnded()).state, 'succeeded');
    await start('s-2', 4);
    await harness.untilEnded('s-2');
  });

  it('goes on with everything that was accepted when the next lead has lower bounds', async () => {
    await open({});
    await start('s-1', 2);
    await start('s-2', 2);
    await harness.lead.stop();
    harness.lead = harness.newLead('c-1', harness.store, harness.clock, [], {maxSessions: 1, maxTasks: 1});
    harness.lead.start();
    assert.equal((await refusal(start('s-3'))).kind, 'overloaded');
    await harness.fleet.add({id: 'a-1', slots: 2});
    for (const id of ['s-1', 's-2']) assert.equal((await harness.untilEnded(id)).state, 'succeeded');
    await start('s-3');
    await harness.untilEnded('s-3');
  });

  it('bounds each tenant by itself', async () => {
    await open({maxSessionsPerTenant: 1});
    await start('s-1');
    const other = {...client, tenant: 'acme'};
    const params = {sessionId: 's-1', plan: planOf(tasks(1)), keep: false, rehearsal: false};
    assert.equal((await harness.lead.startSession(params, other)).created, true);
    const error = await refusal(harness.lead.startSession({...params, sessionId: 's-2'}, other));
    assert.match(error.message, /1 session of your tenant is open/);
    assert.equal((await harness.store.range(tenantKeys('acme').sessions)).kvs.length, 1);
  });
});

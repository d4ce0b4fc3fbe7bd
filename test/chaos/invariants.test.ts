/** The judge of chaos runs, judged: each thing that must not happen is found when it is in the records. */
import assert from 'node:assert/strict';
import type {AttemptRecord, RefusalRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import type {SeenRow} from '../support/sessionRun.ts';
import {faultsOfRecords, neverWentBack} from './invariants.ts';
import type {Outcome} from './outcome.ts';

const SESSION = 's-1';
const FIELDS = {v: 1, principal: 'test', sessionId: SESSION} as const;

function attempt(number: number, patch: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    ...FIELDS,
    id: `${SESSION}.write.${number}`,
    taskId: 'write',
    number,
    agentId: 'agent-1',
    agentIncarnation: 'incarnation-1',
    coordinator: 'c-1',
    state: 'ended',
    assignedAt: 0,
    outcome: 'succeeded',
    usage: {...NO_USAGE, costUsd: 0.02},
    refused: 0,
    ...patch,
  };
}

function task(patch: Partial<TaskRecord> = {}): TaskRecord {
  return {
    ...FIELDS,
    id: 'write',
    state: 'succeeded',
    attempts: 1,
    retries: 0,
    losses: 0,
    usage: {...NO_USAGE, costUsd: 0.02},
    origin: 'plan',
    ...patch,
  };
}

function outcome(tasks: TaskRecord[], attempts: AttemptRecord[], more: Partial<Outcome> = {}): Outcome {
  const spentUsd = attempts.reduce((sum, {usage}) => sum + usage.costUsd, 0);
  const session: Partial<SessionRecord> = {id: SESSION, state: 'succeeded', spentUsd};
  return {
    state: {
      session: session as SessionRecord,
      tasks: new Map(tasks.map(record => [record.id, record])),
      attempts: new Map(attempts.map(record => [record.id, record])),
      refusals: [],
    },
    tree: 'a tree',
    gated: new Set(),
    executions: new Map([
      [
        'write',
        attempts.flatMap(({id}) => [
          {attemptId: id, what: 'start'} as const,
          {attemptId: id, what: 'end'} as const,
        ]),
      ],
    ]),
    spared: new Set(),
    answers: new Map(attempts.map(({id, usage}) => [id, usage.costUsd / 0.02])),
    seconds: 1,
    folder: '',
    ...more,
  };
}

function withRefusal(run: Outcome): Outcome {
  const refusal: RefusalRecord = {
    ...FIELDS,
    attemptId: `${SESSION}.write.1`,
    effect: 'completion',
    detail: 'too late',
    fence: {store: 'store', attempt: `${SESSION}.write.1`, revision: 1},
    at: 0,
  };
  return {...run, state: {...run.state, refusals: [refusal]}};
}

const QUIET = outcome([task()], [attempt(1)]);
const LOST = attempt(1, {outcome: 'lost'});
const AGAIN = task({attempts: 2, losses: 1, usage: {...NO_USAGE, costUsd: 0.04}});

describe('the invariants of chaos', () => {
  it('hold for a quiet run, and for one whose loss was made good', () => {
    assert.deepEqual(faultsOfRecords(QUIET, QUIET), []);
    assert.deepEqual(faultsOfRecords(outcome([AGAIN], [LOST, attempt(2)]), QUIET), []);
  });

  const wrong: readonly (readonly [string, Outcome, RegExp])[] = [
    ['a task accepted twice', outcome([AGAIN], [attempt(1), attempt(2)]), /2 accepted completions/],
    ['a task that failed', outcome([task({state: 'failed'})], [LOST]), /write is failed/],
    [
      'a loss that spent a retry',
      outcome([task({...AGAIN, retries: 1})], [LOST, attempt(2)]),
      /spent 1 retries on 0 failures/,
    ],
    [
      'a loss on an agent that no fault hit',
      outcome([AGAIN], [LOST, attempt(2)], {spared: new Set([LOST.id])}),
      /write\.1 was lost, though no fault/,
    ],
    ['an attempt that goes on', outcome([task()], [attempt(1, {state: 'running'})]), /still running/],
    [
      'an attempt executed twice',
      outcome([task()], [attempt(1)], {
        executions: new Map([
          ['write', (['start', 'start', 'end'] as const).map(what => ({attemptId: attempt(1).id, what}))],
        ]),
      }),
      /executed 2 times/,
    ],
    [
      'an attempt accepted before its end',
      outcome([task()], [attempt(1)], {
        executions: new Map([['write', [{attemptId: attempt(1).id, what: 'start'}]]]),
      }),
      /not run to its end/,
    ],
    [
      'a lost attempt billed twice',
      outcome([task({...AGAIN, usage: {...NO_USAGE, costUsd: 0.06}})], [LOST, attempt(2)]),
      /cost \$0\.06, its attempts \$0\.04/,
    ],
    [
      'more billed than was answered',
      outcome([task()], [attempt(1)], {answers: new Map()}),
      /for answers of \$0/,
    ],
    [
      'a completion refused and accepted',
      withRefusal(outcome([task()], [attempt(1)])),
      /write\.1 was refused and accepted/,
    ],
    ['another tree', outcome([task()], [attempt(1)], {tree: 'another'}), /the result is tree another/],
  ];
  for (const [what, run, complaint] of wrong)
    it(`find ${what}`, () => {
      assert.match(faultsOfRecords(run, QUIET).join('\n'), complaint);
    });

  it('find revisions, results and outcomes that go back', () => {
    const seen = (record: TaskRecord | AttemptRecord): SeenRow =>
      'outcome' in record
        ? {revision: 1, by: 'change', row: {kind: 'attempt', id: 'a', attempt: record as AttemptRecord}}
        : {revision: 1, by: 'change', row: {kind: 'task', id: 't', task: record as TaskRecord}};
    const told = (...records: (TaskRecord | AttemptRecord)[]) =>
      neverWentBack({seen: records.map(seen), revisions: []});
    assert.deepEqual(neverWentBack({seen: [], revisions: [1, 2, 2, 3]}), []);
    assert.match(neverWentBack({seen: [], revisions: [2, 1]}).join(), /revision 1 came after 2/);
    assert.match(told(task(), task({state: 'ready'})).join(), /succeeded and became ready/);
    assert.match(told(task(), task({result: {summary: 'other'}})).join(), /result of write changed/);
    assert.deepEqual(told(LOST, attempt(1, {outcome: 'stale'})), []);
    assert.match(told(attempt(1), LOST).join(), /was succeeded and became lost/);
  });
});

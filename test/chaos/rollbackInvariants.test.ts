/** The judge of chaos runs, judged on rollbacks and on conversations that were gone on with: each thing that must not happen is found. */
import assert from 'node:assert/strict';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';
import type {SeenRow} from '../support/sessionRun.ts';
import type {Execution} from './ground.ts';
import {faultsOfRecords, neverWentBack} from './invariants.ts';
import type {Outcome, RolledBack} from './outcome.ts';

const SESSION = 's-1';
const FIELDS = {v: 1, principal: 'test', sessionId: SESSION} as const;
const ROLLED_BACK_AT = 100;
const ANSWER_USD = 0.01;
/** Of a conversation with a call in each answer but the last. */
const ANSWERS = 3;

function attempt(taskId: string, number: number, patch: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    ...FIELDS,
    id: `${SESSION}.${taskId}.${number}`,
    taskId,
    number,
    agentId: 'agent-1',
    agentIncarnation: 'incarnation-1',
    coordinator: 'c-1',
    state: 'ended',
    assignedAt: 0,
    endedAt: 10,
    outcome: 'succeeded',
    usage: {...NO_USAGE, costUsd: ANSWERS * ANSWER_USD},
    refused: 0,
    ...patch,
  };
}

function task(id: string, attempts: number, patch: Partial<TaskRecord> = {}): TaskRecord {
  return {
    ...FIELDS,
    id,
    state: 'succeeded',
    attempts,
    retries: 0,
    losses: 0,
    usage: {...NO_USAGE, costUsd: attempts * ANSWERS * ANSWER_USD},
    origin: 'plan',
    ...patch,
  };
}

const undoing = (id: string, patch: Partial<TaskRecord> = {}): TaskRecord => {
  const about = {taskId: id, attemptId: `${SESSION}.${id}.1`};
  return task(`_undo-${id}`, 1, {origin: 'undo', about, ...patch});
};
const undone = (id: string, endedAt: number, at: number, patch: Partial<TaskRecord> = {}): TaskRecord =>
  task(id, 1, {state: 'rolledBack', endedAt, rolledBack: {at}, ...patch});

const byId = <T extends {id: string}>(records: readonly T[]): Map<string, T> =>
  new Map(records.map(record => [record.id, record]));

function executionsOf(attempts: readonly AttemptRecord[]): Map<string, Execution[]> {
  const executions = new Map<string, Execution[]>();
  for (const {taskId, id} of attempts)
    executions.set(taskId, [
      ...(executions.get(taskId) ?? []),
      {attemptId: id, what: 'start'},
      {attemptId: id, what: 'end'},
    ]);
  return executions;
}

/** `base` is before the point; `first` and then `second` were done behind it; the gate of `judge` failed. */
const BEFORE = {
  tasks: [
    task('base', 1, {endedAt: 1}),
    undone('first', 10, 130),
    undone('second', 20, 120),
    undone('judge', 30, 110),
    task('late', 1, {state: 'cancelled'}),
    undoing('first'),
    undoing('second'),
  ],
  attempts: [
    attempt('base', 1),
    attempt('first', 1),
    attempt('second', 1),
    attempt('judge', 1, {outcome: 'failed', failure: {kind: 'gate', message: 'no'}}),
    attempt('late', 1, {outcome: 'cancelled', endedAt: ROLLED_BACK_AT + 1}),
    attempt('_undo-first', 1),
    attempt('_undo-second', 1),
  ],
  session: {
    id: SESSION,
    state: 'rolledBack',
    endedAt: 140,
    rollback: {at: ROLLED_BACK_AT, by: 'test', syncPoint: 'laid'},
  } as Partial<SessionRecord>,
  refs: ['base'],
};
const AFTER = {
  tasks: [
    task('base', 1, {endedAt: 1}),
    ...['first', 'second', 'judge', 'late'].map(id => task(id, 2)),
    undoing('first'),
    undoing('second'),
  ],
  attempts: [
    ...BEFORE.attempts,
    ...['first', 'second', 'judge', 'late'].map(id => attempt(id, 2, {endedAt: 200})),
  ],
};

interface Changes {
  readonly before?: Partial<typeof BEFORE>;
  readonly after?: Partial<typeof AFTER>;
  readonly more?: Partial<Outcome>;
}

/** Records in place of those with their ids, and others beside them. */
function withRecords<T extends {id: string}>(records: readonly T[], changed: readonly T[]): T[] {
  return [...byId([...records, ...changed]).values()];
}

function outcome({before = {}, after = {}, more = {}}: Changes = {}): Outcome {
  const then = {...BEFORE, ...before};
  const now = {...AFTER, ...after};
  const behind = new Set(['first', 'second', 'judge', 'late', '_result']);
  const rollback: RolledBack = {
    point: 'laid',
    judge: 'judge',
    isBehind: id => behind.has(id),
    isCompensated: id => id === 'first' || id === 'second',
    state: {
      session: then.session as SessionRecord,
      tasks: byId(then.tasks),
      attempts: byId(then.attempts),
      refusals: [],
    },
    refs: then.refs,
    seen: 0,
  };
  const spentUsd = now.attempts.reduce((sum, {usage}) => sum + usage.costUsd, 0);
  return {
    state: {
      session: {id: SESSION, state: 'succeeded', spentUsd} as SessionRecord,
      tasks: byId(now.tasks),
      attempts: byId(now.attempts),
      refusals: [],
    },
    tree: 'a tree',
    gated: new Set(),
    executions: executionsOf(now.attempts),
    spared: new Set(now.attempts.map(({id}) => id)),
    rollback,
    undoings: ['second', 'first'].map(id => `${SESSION}._undo-${id}.1`),
    answers: new Map(now.attempts.map(({id, usage}) => [id, usage.costUsd / ANSWER_USD])),
    seconds: 1,
    folder: '',
    ...more,
  };
}

const QUIET = outcome();

describe('the invariants of chaos, over a rollback', () => {
  it('hold where all that was behind the point was undone and done again', () => {
    assert.deepEqual(faultsOfRecords(QUIET, QUIET), []);
  });

  const tasks = (...changed: TaskRecord[]) => withRecords(BEFORE.tasks, changed);
  const wrong: readonly (readonly [string, Changes, RegExp])[] = [
    [
      'a task before the point that was undone',
      {before: {tasks: tasks(undone('base', 1, 140))}},
      /base was rolledBack after the rollback, and not succeeded/,
    ],
    [
      'a task behind the point that was not',
      {before: {tasks: tasks(task('first', 1, {endedAt: 10}))}},
      /first was succeeded after the rollback, and not rolledBack/,
    ],
    [
      'one that was undone before another that ended later',
      {before: {tasks: tasks(undone('first', 10, 105))}},
      /first was undone before judge, which ended later/,
    ],
    [
      'compensations in another order',
      {more: {undoings: ['first', 'second'].map(id => `${SESSION}._undo-${id}.1`)}},
      /compensations ran as .*first\.1, .*second\.1, and not as .*second\.1, .*first\.1/,
    ],
    [
      'a compensation that took effect twice',
      {more: {undoings: ['second', 'second', 'first'].map(id => `${SESSION}._undo-${id}.1`)}},
      /compensations ran as/,
    ],
    [
      'a compensation that was accepted twice',
      {
        after: {
          tasks: withRecords(AFTER.tasks, [undoing('first', {attempts: 2})]),
          attempts: withRecords(AFTER.attempts, [attempt('_undo-first', 2)]),
        },
      },
      /first was undone by 2 accepted compensations/,
    ],
    [
      'a compensation of what was not undone',
      {
        after: {
          tasks: withRecords(AFTER.tasks, [undoing('base')]),
          attempts: withRecords(AFTER.attempts, [attempt('_undo-base', 1)]),
        },
      },
      /_undo-base undid what was not to be undone/,
    ],
    [
      'a compensation that failed',
      {
        before: {
          tasks: tasks(undone('first', 10, 130, {rolledBack: {at: 130, trouble: 'the shop is closed'}})),
        },
      },
      /first was undone, but the shop is closed/,
    ],
    [
      'a result that outlived its task',
      {before: {refs: ['base', 'first']}},
      /first was rolledBack and its result was there/,
    ],
    [
      'another point',
      {before: {session: {...BEFORE.session, rollback: {at: ROLLED_BACK_AT, by: 'test'}}}},
      /the session went back to undefined/,
    ],
    [
      'one that was done again though it was not undone',
      {
        after: {
          tasks: withRecords(AFTER.tasks, [task('base', 2)]),
          attempts: withRecords(AFTER.attempts, [attempt('base', 2)]),
        },
      },
      /base has 2 accepted completions/,
    ],
    [
      'one that was accepted twice in its second life',
      {
        after: {
          tasks: withRecords(AFTER.tasks, [task('first', 3)]),
          attempts: withRecords(AFTER.attempts, [attempt('first', 3)]),
        },
      },
      /first has 2 accepted completions/,
    ],
    [
      'an attempt that the rollback stopped before it was wanted',
      {
        after: {
          attempts: withRecords(AFTER.attempts, [
            attempt('late', 1, {outcome: 'cancelled', endedAt: ROLLED_BACK_AT - 1}),
          ]),
        },
      },
      /late\.1 was cancelled, though no fault/,
    ],
    [
      'a conversation that outlived the rollback',
      {
        after: {
          attempts: withRecords(AFTER.attempts, [
            attempt('late', 2, {
              endedAt: 200,
              continued: {attemptId: `${SESSION}.late.1`, agentId: 'agent-1', calls: 0},
            }),
          ]),
        },
      },
      /late\.2 went on from .*late\.1, which is none of its life/,
    ],
    [
      'a loss of the second life that spent a retry',
      {after: {tasks: withRecords(AFTER.tasks, [task('first', 2, {retries: 1})])}},
      /first spent 1 retries on 0 failures/,
    ],
  ];
  for (const [what, changes, complaint] of wrong)
    it(`find ${what}`, () => {
      assert.match(faultsOfRecords(outcome(changes), QUIET).join('\n'), complaint);
    });

  it('find tasks that go back at another time than the rollback', () => {
    const rows = (...records: TaskRecord[]): SeenRow[] =>
      records.map(record => ({revision: 1, by: 'change', row: {kind: 'task', id: record.id, task: record}}));
    const told = (seen: number, ...records: TaskRecord[]): string[] => {
      const rollback = {...(QUIET.rollback as RolledBack), seen};
      return neverWentBack({seen: rows(...records), revisions: []}, rollback);
    };
    const [first, pending] = [task('first', 1), task('first', 1, {state: 'pending'})];
    const gone = undone('first', 10, 130);
    assert.deepEqual(told(2, first, gone, pending, task('first', 2)), []);
    assert.match(told(4, first, gone, pending).join(), /first was rolled back and became pending/);
    assert.match(told(1, first, gone).join(), /first succeeded and became rolledBack/);
    assert.match(told(2, first, pending).join(), /first succeeded and became pending/);
    assert.match(
      told(2, task('base', 1), undone('base', 1, 140)).join(),
      /base succeeded and became rolledBack/,
    );
  });
});

describe('the invariants of chaos, for conversations that were gone on with', () => {
  const lost = attempt('base', 1, {outcome: 'lost', usage: {...NO_USAGE, costUsd: 2 * ANSWER_USD}});
  const from = {attemptId: lost.id, agentId: lost.agentId};
  const conversation = (calls: number, costUsd: number, second: readonly Execution['what'][]): string => {
    const next = attempt('base', 2, {continued: {...from, calls}, usage: {...NO_USAGE, costUsd}});
    const spent = lost.usage.costUsd + costUsd;
    const record = task('base', 2, {losses: 1, usage: {...NO_USAGE, costUsd: spent}});
    const plain = (tasks: TaskRecord[], attempts: AttemptRecord[], more: Partial<Outcome>): Outcome => ({
      ...outcome({after: {tasks, attempts}, more: {...more, undoings: []}}),
      rollback: undefined,
    });
    const quiet = plain([task('base', 1)], [attempt('base', 1)], {});
    const lines: Execution[] = [
      {attemptId: lost.id, what: 'start'},
      ...second.map((what): Execution => ({attemptId: next.id, what})),
    ];
    const run = plain([record], [lost, next], {executions: new Map([['base', lines]]), spared: new Set()});
    return faultsOfRecords(run, quiet).join('\n');
  };

  it('hold where one attempt began and the other ended it, for the answers that were left', () => {
    assert.equal(conversation(1, 2 * ANSWER_USD, ['end']), '');
  });

  it('find one that did again what it had from the other', () => {
    assert.match(conversation(1, 2 * ANSWER_USD, ['start', 'end']), /base\.2 began anew though it went on/);
    assert.match(conversation(1, 3 * ANSWER_USD, ['end']), /base\.2 cost \$0\.04 with what it went on from/);
  });

  it('find one that nobody ran to its end', () => {
    assert.match(conversation(1, 2 * ANSWER_USD, []), /base\.2 was accepted and has not run to its end/);
  });
});

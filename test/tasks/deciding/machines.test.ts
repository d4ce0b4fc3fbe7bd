/** Every transition of tasks and attempts against every state: the tables are the specification. */
import assert from 'node:assert/strict';
import {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {FAILURE_KINDS, TASK_STATES, type TaskState} from '../../../coordinator/protocol/model/task.ts';
import {InvariantError} from '../../../coordinator/runtime/assert.ts';
import {
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  type AttemptTransition,
  attemptTransition,
} from '../../../coordinator/tasks/deciding/attemptMachine.ts';
import {backoffMs, FAILURE_HANDLING} from '../../../coordinator/tasks/deciding/failurePolicy.ts';
import {
  TASK_TRANSITIONS,
  type TaskTransition,
  taskTransition,
} from '../../../coordinator/tasks/deciding/taskMachine.ts';
import {newTaskRecord} from '../../../coordinator/tasks/fleet/nodes.ts';
import {specOf} from '../leadHarness.ts';

/** Rows: states. Columns: transitions. A dot is illegal. */
const TASKS = `
            release wait   assign   start   verify    succeed   requeue block   fail   cancel    reopen  waive     defer  redo     rollBack reuse
pending     ready   ready  .        .       .         .         .       .       failed cancelled .       .         pending  .  .  .
ready       .       ready  assigned .       .         .         .       .       failed cancelled .       .         pending  .  .  succeeded
assigned    .       .      .        running verifying succeeded ready   pending failed cancelled .       .         .        .  .  .
running     .       .      .        .       verifying succeeded ready   pending failed cancelled .       .         .        .  .  .
verifying   .       .      .        .       .         succeeded ready   .       failed cancelled .       .         .        .  .  .
succeeded   .       .      .        .       .         .         .       .       .      .         .       .         .        pending  rolledBack  .
failed      .       .      .        .       .         .         .       .       .      .         pending succeeded .        pending  rolledBack  .
cancelled   .       .      .        .       .         .         .       .       .      .         pending .         .        pending  .  .
rolledBack  .  .  .  .  .  .  .  .  .  .  pending  .  .  .  .  .
`;

const ATTEMPTS = `
          start   report   verify    end
assigned  running reported .         ended
running   .       reported .         ended
reported  .       .        verifying ended
verifying .       .        .         ended
ended     .       .        .         .
`;

/** The cells of a table as [state, transition, expected state or undefined]. */
function cells(table: string): [string, string, string | undefined][] {
  const [head = [], ...rows] = table
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/));
  return rows.flatMap(([state = '', ...row]) =>
    head.map((name, column): [string, string, string | undefined] => {
      const cell = row[column];
      return [state, name, cell === '.' ? undefined : cell];
    }),
  );
}

describe('Task machine', () => {
  it('has exactly the transitions of its table', () => {
    const table = cells(TASKS);
    assert.deepEqual(new Set(table.map(([state]) => state)), new Set(TASK_STATES));
    assert.deepEqual(new Set(table.map(([, name]) => name)), new Set(Object.keys(TASK_TRANSITIONS)));
    for (const [state, name, expected] of table) {
      const record = {
        ...newTaskRecord('s-1', specOf({id: 'one'}), 'plan', 'test'),
        state: state as TaskState,
      };
      const move = (): string => taskTransition(record, name as TaskTransition).state;
      if (expected === undefined) assert.throws(move, InvariantError, `${name} from ${state}`);
      else assert.equal(move(), expected, `${name} from ${state}`);
    }
  });

  it('changes nothing but what it is given', () => {
    const record = newTaskRecord('s-1', specOf({id: 'one'}), 'plan', 'test');
    const moved = taskTransition({...record, extra: 1}, 'fail', {endedAt: 7});
    assert.deepEqual(moved, {...record, extra: 1, endedAt: 7, state: 'failed'});
  });
});

describe('Attempt machine', () => {
  it('has exactly the transitions of its table', () => {
    const table = cells(ATTEMPTS);
    assert.deepEqual(new Set(table.map(([state]) => state)), new Set(AttemptRecord.shape.state.options));
    assert.deepEqual(new Set(table.map(([, name]) => name)), new Set(Object.keys(ATTEMPT_TRANSITIONS)));
    for (const [state, name, expected] of table) {
      const record = {id: 's-1.one.1', state: state as AttemptState} as AttemptRecord;
      const move = (): string => attemptTransition(record, name as AttemptTransition).state;
      if (expected === undefined) assert.throws(move, InvariantError, `${name} from ${state}`);
      else assert.equal(move(), expected, `${name} from ${state}`);
    }
  });
});

describe('Failure policy', () => {
  it('says of every kind of failure what follows', () => {
    assert.deepEqual(new Set(Object.keys(FAILURE_HANDLING)), new Set(FAILURE_KINDS));
    const kindsOf = (handling: string): string[] =>
      FAILURE_KINDS.filter(kind => FAILURE_HANDLING[kind] === handling);
    assert.deepEqual(kindsOf('retry'), ['exit', 'gate', 'timeout', 'api', 'maxTurns', 'crashed', 'internal']);
    assert.deepEqual(kindsOf('elsewhere'), ['workspace', 'auth', 'missing']);
    assert.deepEqual(kindsOf('later'), ['rateLimit']);
    assert.deepEqual(kindsOf('merge'), ['conflict']);
  });

  it('doubles the backoff up to its cap and draws half of it', () => {
    const policy = {max: 9, backoffMs: 1000, maxBackoffMs: 5000};
    assert.deepEqual(
      [0, 1, 2, 3, 60].map(retries => [backoffMs(policy, retries, 0), backoffMs(policy, retries, 1)]),
      [
        [500, 1000],
        [1000, 2000],
        [2000, 4000],
        [2500, 5000],
        [2500, 5000],
      ],
    );
  });
});

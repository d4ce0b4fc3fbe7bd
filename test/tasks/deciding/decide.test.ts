/** What is decided about a task, case by case. */
import assert from 'node:assert/strict';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import type {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import {FINAL_TASK_STATES, type TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {type Decision, decide} from '../../../coordinator/tasks/deciding/decide.ts';
import {Fleet, type TaskNode, type Verification} from '../../../coordinator/tasks/fleet/fleet.ts';
import {failing} from '../fakeFleet.ts';
import {planOf, promptWork} from '../leadHarness.ts';
import {addAgent, agentRecord, giveAttempt, sessionOf, taskOf} from '../nodes.ts';

interface Case {
  readonly what: string;
  readonly spec?: Partial<TaskSpecification>;
  readonly task?: Partial<TaskRecord>;
  readonly node?: Partial<TaskNode>;
  readonly session?: Partial<SessionRecord>;
  readonly attempt?: Partial<AttemptRecord>;
  readonly agent?: 'online' | 'silent' | 'overdue' | 'replaced' | 'left' | 'reporting' | 'late';
  readonly others?: boolean;
  readonly stopped?: boolean;
  readonly freeUsd?: number;
  readonly verdict?: 'passed' | 'retry' | 'fail';
  readonly rejected?: 'refused';
  /** The decision's kind, and whatever else matters. */
  readonly expected: Partial<Decision> & {kind: Decision['kind']};
}

const succeeded: Partial<AttemptRecord> = {
  state: 'reported',
  report: {outcome: 'succeeded', result: {summary: ''}},
};
const failed = (kind: 'exit' | 'rateLimit' | 'auth' | 'budget', patch = {}): Partial<AttemptRecord> => ({
  state: 'reported',
  report: failing(kind),
  ...patch,
});
const noRetry = {retry: {max: 0, backoffMs: 0, maxBackoffMs: 0}};
const gates = [{name: 'g', type: 'command', command: 'x', onFailure: 'retry', timeoutMs: 1} as const];
const parked = {state: 'ready', waitingFor: {kind: 'person', message: 'lost'}} as const;

const CASES: readonly Case[] = [
  {what: 'a fresh task without dependencies', expected: {kind: 'queue'}},
  {what: 'a task whose dependencies are not done', node: {missing: 1}, expected: {kind: 'none'}},
  {what: 'a task with a failed dependency', node: {missing: 2, doomed: 1}, expected: {kind: 'cancel'}},
  {what: 'a task in backoff', task: {state: 'ready', notBefore: 500}, expected: {kind: 'sleep', until: 500}},
  {what: 'a task after its backoff', task: {state: 'ready', notBefore: 100}, expected: {kind: 'queue'}},
  {what: 'a task of a paused session', session: {state: 'paused'}, expected: {kind: 'none'}},
  {
    what: 'a waiting task of a draining session',
    session: {state: 'ending', endMode: 'drain'},
    expected: {kind: 'cancel'},
  },
  {
    what: 'a running task of a draining session',
    session: {state: 'ending', endMode: 'drain'},
    attempt: {},
    expected: {kind: 'none'},
  },
  {
    what: 'a running task of a cancelled session',
    session: {state: 'ending', endMode: 'cancel'},
    attempt: {},
    expected: {kind: 'cancel'},
  },
  {
    what: 'a task that a person cancelled',
    node: {wanted: {kind: 'cancelled', message: 'x'}},
    attempt: {},
    expected: {kind: 'cancel'},
  },
  {
    what: 'a task beyond its deadline',
    node: {wanted: {kind: 'deadline', message: 'x'}},
    attempt: {},
    expected: {kind: 'fail'},
  },
  {
    what: 'a task whose budget is spent before it starts',
    spec: {budgetUsd: 0.5},
    task: {usage: usage(0.5)},
    expected: {kind: 'fail'},
  },
  {
    what: 'an attempt that spends beyond the budget of its task',
    spec: {budgetUsd: 0.5},
    task: {usage: usage(0.3)},
    attempt: {usage: usage(0.3)},
    expected: {kind: 'fail'},
  },
  {
    what: 'a prompt when nothing may spend',
    spec: {work: promptWork},
    attempt: {},
    stopped: true,
    expected: {kind: 'requeue', outcome: 'cancelled'},
  },
  {
    what: 'a finished result beyond the budget of its task while its gates run',
    spec: {gates: [...gates], budgetUsd: 0.5},
    attempt: {state: 'verifying', usage: usage(0.6)},
    expected: {kind: 'verify'},
  },
  {
    what: 'a finished prompt in its gates when nothing may spend',
    spec: {gates: [...gates], work: promptWork},
    attempt: {state: 'verifying'},
    stopped: true,
    expected: {kind: 'verify'},
  },
  {what: 'a command when nothing may spend', attempt: {}, stopped: true, expected: {kind: 'none'}},

  {
    what: 'an attempt that makes way for one elsewhere',
    task: {wished: {on: 'a-2', after: 1}},
    attempt: {},
    expected: {
      kind: 'requeue',
      outcome: 'cancelled',
      waitingFor: {kind: 'agent', message: 'waits for agent a-2, where a person wants it'},
    },
  },
  {
    what: 'an attempt of a silent agent that makes way',
    task: {wished: {notOn: 'a-1', after: 1}, losses: 3},
    attempt: {},
    agent: 'overdue',
    expected: {kind: 'requeue', outcome: 'cancelled', waitingFor: undefined},
  },
  {
    what: 'the attempt that others made way for',
    task: {wished: {on: 'a-1', after: 0}},
    attempt: {},
    expected: {kind: 'none'},
  },
  {
    what: 'a finished attempt that was to make way',
    task: {wished: {on: 'a-2', after: 1}},
    attempt: succeeded,
    expected: {kind: 'accept'},
  },
  {
    what: 'gates that ran again and failed',
    spec: {gates: [...gates], retry: {max: 5, backoffMs: 0, maxBackoffMs: 0}},
    task: {recheck: {attemptId: 's-1.one.1', agentId: 'a-1'}},
    attempt: {state: 'verifying'},
    verdict: 'retry',
    expected: {kind: 'fail'},
  },
  {
    what: 'gates that run again when nothing may spend',
    spec: {gates: [...gates], work: promptWork, budgetUsd: 0.5},
    task: {recheck: {attemptId: 's-1.one.1', agentId: 'a-1'}, usage: usage(0.5)},
    attempt: {},
    stopped: true,
    expected: {kind: 'none'},
  },
  {
    what: 'a task whose gates are to run again though its budget is spent',
    spec: {budgetUsd: 0.5},
    task: {recheck: {attemptId: 's-1.one.1', agentId: 'a-1'}, usage: usage(0.5)},
    expected: {kind: 'queue'},
  },
  {
    what: 'gates that run again and lose their agent, of work that must not run twice',
    spec: {onLost: 'fail'},
    task: {recheck: {attemptId: 's-1.one.1', agentId: 'a-1'}},
    attempt: {},
    agent: 'replaced',
    expected: {kind: 'requeue', outcome: 'lost'},
  },

  {what: 'a parked task', task: parked, expected: {kind: 'none'}},
  {
    what: 'a parked task that a person lets go on',
    task: parked,
    node: {answer: 'allow'},
    expected: {kind: 'unpark'},
  },
  {
    what: 'a parked task that a person declines',
    task: parked,
    node: {answer: 'deny'},
    expected: {kind: 'fail'},
  },

  {what: 'an attempt that runs', attempt: {}, expected: {kind: 'none'}},
  {
    what: 'an attempt that was refused',
    attempt: {state: 'assigned'},
    rejected: 'refused',
    expected: {kind: 'requeue', outcome: 'cancelled'},
  },
  {what: 'a success without gates', attempt: succeeded, expected: {kind: 'accept'}},
  {
    what: 'a success without gates of an agent that is gone',
    attempt: succeeded,
    agent: 'replaced',
    expected: {kind: 'accept'},
  },
  {what: 'a success with gates', spec: {gates: [...gates]}, attempt: succeeded, expected: {kind: 'verify'}},
  {
    what: 'gates that run',
    spec: {gates: [...gates]},
    attempt: {state: 'verifying'},
    expected: {kind: 'verify'},
  },
  {what: 'gates that passed', attempt: {state: 'verifying'}, verdict: 'passed', expected: {kind: 'accept'}},
  {
    what: 'a gate that failed and retries',
    attempt: {state: 'verifying'},
    verdict: 'retry',
    expected: {kind: 'retry'},
  },
  {
    what: 'a gate that failed and retries, at the cap',
    spec: noRetry,
    attempt: {state: 'verifying'},
    verdict: 'retry',
    expected: {kind: 'fail'},
  },
  {
    what: 'a gate that failed for good',
    attempt: {state: 'verifying'},
    verdict: 'fail',
    expected: {kind: 'fail'},
  },
  {
    what: 'gates on an agent that is gone',
    attempt: {state: 'verifying'},
    agent: 'replaced',
    expected: {kind: 'requeue', outcome: 'lost'},
  },

  {what: 'a failure with retries left', attempt: failed('exit'), expected: {kind: 'retry'}},
  {
    what: 'a prompt that ran out of its share while there is more',
    spec: {...noRetry, work: promptWork},
    attempt: failed('budget', {budgetUsd: 1, usage: usage(1)}),
    freeUsd: 2,
    expected: {kind: 'retry'},
  },
  {
    what: 'a prompt that ran out of its share when there is little more, at the cap',
    spec: {...noRetry, work: promptWork},
    attempt: failed('budget', {budgetUsd: 1, usage: usage(1)}),
    freeUsd: 1,
    expected: {kind: 'fail'},
  },
  {
    what: 'a prompt that ran out of what its task has',
    spec: {work: promptWork, budgetUsd: 1},
    attempt: failed('budget', {budgetUsd: 1, usage: usage(1)}),
    freeUsd: 9,
    expected: {kind: 'fail'},
  },
  {
    what: 'a prompt that ran out when nothing is left',
    spec: {work: promptWork},
    attempt: failed('budget', {budgetUsd: 1, usage: usage(1)}),
    stopped: true,
    expected: {kind: 'requeue', outcome: 'cancelled'},
  },
  {what: 'a failure at the cap', spec: noRetry, attempt: failed('exit'), expected: {kind: 'fail'}},
  {
    what: 'a broken machine when there is another',
    spec: noRetry,
    attempt: failed('auth'),
    others: true,
    expected: {kind: 'retry'},
  },
  {
    what: 'a broken machine that is the only one',
    spec: noRetry,
    attempt: failed('auth'),
    expected: {kind: 'fail'},
  },
  {what: 'a rate limit at the cap', spec: noRetry, attempt: failed('rateLimit'), expected: {kind: 'retry'}},
  {
    what: 'a cancellation by the agent',
    attempt: {state: 'reported', report: {outcome: 'cancelled'}},
    expected: {kind: 'requeue', outcome: 'cancelled'},
  },

  {what: 'a silent agent in its grace', attempt: {}, agent: 'silent', expected: {kind: 'none'}},
  {what: 'a silent agent beyond its grace', attempt: {}, agent: 'overdue', expected: {kind: 'queue'}},
  {
    what: 'a silent agent beyond its grace in a paused session',
    session: {state: 'paused'},
    attempt: {},
    agent: 'overdue',
    expected: {kind: 'none'},
  },
  {
    what: 'a silent agent beyond its grace in a draining session',
    session: {state: 'ending', endMode: 'drain'},
    attempt: {},
    agent: 'overdue',
    expected: {kind: 'requeue', outcome: 'lost'},
  },
  {
    what: 'an agent that started anew',
    attempt: {},
    agent: 'replaced',
    expected: {kind: 'requeue', outcome: 'lost'},
  },
  {
    what: 'an agent that started anew and has the completion',
    attempt: {},
    agent: 'reporting',
    expected: {kind: 'none'},
  },
  {
    what: 'an agent that started anew and never sends the completion that it has',
    attempt: {},
    agent: 'late',
    expected: {kind: 'requeue', outcome: 'lost'},
  },
  {
    what: 'an agent that said goodbye',
    attempt: {},
    agent: 'left',
    expected: {kind: 'requeue', outcome: 'lost'},
  },
  {
    what: 'a loss at the cap',
    spec: {maxLosses: 2},
    task: {losses: 2},
    attempt: {},
    agent: 'overdue',
    expected: {kind: 'park', subject: 'losses'},
  },
  {
    what: 'a loss that a person decides about',
    spec: {onLost: 'ask'},
    attempt: {},
    agent: 'overdue',
    expected: {kind: 'park', subject: 'onLost'},
  },
  {
    what: 'a loss that must not be repeated',
    spec: {onLost: 'fail'},
    attempt: {},
    agent: 'replaced',
    expected: {kind: 'fail'},
  },
  {
    what: 'a loss to give back',
    task: {losses: 1},
    node: {refunds: 1},
    attempt: {},
    expected: {kind: 'refund'},
  },
];

function usage(costUsd: number): TaskRecord['usage'] {
  return {costUsd, inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, turns: 0};
}

function verifying(): Verification {
  return {verdict: undefined, evidence: [], stop: new AbortController(), isGone: false, standsBy: false};
}

function decisionOf(one: Case): Decision {
  const session = sessionOf(planOf([{id: 'one', ...one.spec}]), one.session);
  const task = taskOf(session, 'one');
  const agent = addAgent(new Fleet(), agentRecord('a-1'));
  if (one.attempt) {
    const attempt = giveAttempt(task, agent, one.attempt);
    attempt.rejected = one.rejected;
    const evidence = {gate: 'g', passed: false, exitCode: 1, output: '', durationMs: 0};
    if (one.verdict === 'passed')
      attempt.verification = {...verifying(), verdict: {kind: 'passed', evidence: []}};
    else if (one.verdict)
      attempt.verification = {
        ...verifying(),
        verdict: {kind: 'failed', evidence: [evidence], message: 'red', onFailure: one.verdict},
      };
    if (one.agent === 'overdue') attempt.silentMs = 1000;
    if (one.agent === 'late') attempt.reportingMs = 1000;
  }
  if (one.agent === 'reporting' || one.agent === 'late') {
    const value = {
      v: 1,
      principal: 'test',
      incarnation: 'a-1-second',
      coordinator: 'c-1',
      finished: ['s-1.one.1'],
    };
    agent.live = {value, mod: 2};
  } else if (one.agent && one.agent !== 'online') agent.live = undefined;
  if (one.agent === 'left') agent.record = agentRecord('a-1', {}, {departed: 'a-1-first'});
  if (one.agent === 'replaced') agent.record = agentRecord('a-1', {}, {incarnation: 'a-1-second'});
  task.record = {...task.record, ...one.task};
  Object.assign(task, one.node);
  return decide(task, {
    hubNow: 200,
    lossGraceMs: 1000,
    reportGraceMs: 1000,
    rateLimitWaitMs: 60_000,
    random: () => 0,
    freeUsd: () => one.freeUsd,
    promptsStopped: () => one.stopped ?? false,
    hasOtherAgent: () => one.others ?? false,
  });
}

describe('Decisions', () => {
  for (const one of CASES)
    it(`${one.what}: ${Object.values(one.expected).join(', ')}`, () => {
      const decision = decisionOf(one);
      assert.deepEqual({...decision, ...one.expected}, decision);
    });

  it('leaves every task alone that is at its end, whatever is wanted', () => {
    for (const state of FINAL_TASK_STATES) {
      const wanted = {kind: 'cancelled', message: ''} as const;
      assert.deepEqual(decisionOf({what: '', task: {state}, node: {wanted}, expected: {kind: 'none'}}), {
        kind: 'none',
      });
    }
  });

  it('spends a retry on the work, none on a broken machine or a rate limit', () => {
    const spends = (attempt: Partial<AttemptRecord>, others: boolean): unknown => {
      const decision = decisionOf({what: '', attempt, others, expected: {kind: 'retry'}});
      return (
        decision.kind === 'retry' && [
          decision.retry.spends,
          decision.retry.avoidAgent,
          decision.retry.notBefore,
        ]
      );
    };
    assert.deepEqual(spends(failed('exit'), true), [true, false, 205]);
    assert.deepEqual(spends(failed('auth'), true), [false, true, 200]);
    assert.deepEqual(spends(failed('auth'), false), [true, false, 205]);
    assert.deepEqual(spends(failed('rateLimit'), true), [false, false, 60_200]);
  });
});

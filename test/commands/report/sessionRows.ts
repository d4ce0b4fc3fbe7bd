/** Rows of a session as a hub would send them, for reports to draw. */

import assert from 'node:assert/strict';
import type {LoadedPlan} from '../../../coordinator/commands/plan.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import {
  type AttemptRecord,
  AttemptRecord as AttemptSchema,
} from '../../../coordinator/protocol/model/attempt.ts';
import {ApprovalRecord} from '../../../coordinator/protocol/model/facts.ts';
import {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';

export const START = Date.UTC(2026, 0, 1, 12, 0, 0);
export const SESSION = 's-9f2c41d07be3';
const common = {v: 1, principal: 'coordinator:c-1'};
const commit = (digit: string): string => digit.repeat(40);

const PLAN = `
name: greeter
tasks:
  - {id: design, title: Decide how to greet, prompt: x}
  - {id: hello, title: Say hello, prompt: x, dependsOn: design}
  - {id: goodbye, title: Say goodbye in every language that has a word for it and then some, prompt: x, dependsOn: design}
  - {id: lint, run: x, dependsOn: design}
  - {id: join, title: Both together, run: x, dependsOn: [hello, goodbye]}
  - {id: docs, title: Write it down, prompt: x, dependsOn: join}
`;

export function greeterPlan(): LoadedPlan {
  const parsed = parsePlan(PLAN);
  assert.equal(parsed.kind, 'plan');
  if (parsed.kind !== 'plan') throw new Error('unreachable');
  return parsed;
}

export function sessionRow(fields: Partial<SessionRecord> = {}): Row {
  const session = SessionRecord.parse({
    ...common,
    id: SESSION,
    name: 'greeter',
    state: 'running',
    plan: 'a'.repeat(64),
    createdAt: START,
    strategy: 'capability-weighted',
    budgetUsd: 2,
    spentUsd: 0.1234,
    counts: {total: 6, succeeded: 1, failed: 0, cancelled: 0, running: 3, waiting: 2},
    ...fields,
  });
  return {kind: 'session', id: SESSION, session};
}

export function taskRow(id: string, fields: Partial<TaskRecord> = {}): Row {
  const task = TaskRecord.parse({
    ...common,
    sessionId: SESSION,
    id,
    state: 'pending',
    attempts: 0,
    retries: 0,
    losses: 0,
    usage: NO_USAGE,
    ...fields,
  });
  return {kind: 'task', id: `${SESSION}/${id}`, task};
}

export function attemptRow(taskId: string, number: number, fields: Partial<AttemptRecord> = {}): Row {
  const id = `${SESSION}.${taskId}.${number}`;
  const attempt = AttemptSchema.parse({
    ...common,
    id,
    sessionId: SESSION,
    taskId,
    number,
    agentId: 'a-1',
    agentIncarnation: 'incarnation',
    coordinator: 'c-1',
    state: 'running',
    assignedAt: START,
    startedAt: START + 500,
    usage: NO_USAGE,
    ...fields,
  });
  return {kind: 'attempt', id, attempt};
}

export function approvalRow(id: string, taskId: string, request: ApprovalRecord['request']): Row {
  const approval = ApprovalRecord.parse({
    ...common,
    id,
    sessionId: SESSION,
    taskId,
    request,
    state: {kind: 'waiting'},
    askedAt: START + 1000,
  });
  return {kind: 'approval', id, approval};
}

const GATE_FAILED = {
  gate: 'unit',
  passed: false,
  exitCode: 1,
  output: 'not ok 1 - says <hello> & more\n  \u001b[31mexpected "hello"\u001b[0m\n  actual ""\n',
  durationMs: 800,
};

/** In mid-run: a retry, a question, a silent agent. */
export function runningRows(): Row[] {
  return [
    sessionRow(),
    taskRow('design', {
      state: 'succeeded',
      attempts: 1,
      endedAt: START + 12_000,
      usage: {...NO_USAGE, costUsd: 0.04},
    }),
    taskRow('hello', {state: 'running', attempts: 2, usage: {...NO_USAGE, costUsd: 0.0834}}),
    taskRow('goodbye', {state: 'verifying', attempts: 1}),
    taskRow('lint', {
      state: 'ready',
      waitingFor: {kind: 'agent', message: 'no agent has the specialization "lint"'},
    }),
    taskRow('join'),
    taskRow('docs'),
    taskRow('_result'),
    attemptRow('design', 1, {state: 'ended', outcome: 'succeeded', endedAt: START + 12_000}),
    attemptRow('hello', 1, {
      state: 'ended',
      outcome: 'failed',
      startedAt: START + 13_000,
      endedAt: START + 20_000,
      failure: {kind: 'gate', message: 'gate unit did not pass\nnot ok 1 - says hello'},
      gates: [GATE_FAILED],
    }),
    attemptRow('hello', 2, {agentId: 'a-2', assignedAt: START + 22_000, startedAt: START + 22_000}),
    attemptRow('goodbye', 1, {
      agentId: 'a-3',
      state: 'verifying',
      startedAt: START + 13_000,
      unreachableSince: START + 30_000,
    }),
    approvalRow('ap-1', 'hello', {
      kind: 'permission',
      tool: 'Bash',
      input: {command: 'npm\ninstall left-pad'},
    }),
  ];
}

/** At the end: one task failed for good, one attempt came back too late. */
export function failedRows(): Row[] {
  return [
    sessionRow({
      state: 'failed',
      endedAt: START + 95_000,
      failure: 'hello failed: gate unit did not pass\nnot ok 1 - says hello',
      counts: {total: 6, succeeded: 2, failed: 1, cancelled: 3, running: 0, waiting: 0},
    }),
    taskRow('design', {
      state: 'succeeded',
      attempts: 2,
      endedAt: START + 12_000,
      usage: {...NO_USAGE, costUsd: 0.04},
    }),
    taskRow('hello', {
      state: 'failed',
      attempts: 1,
      endedAt: START + 20_000,
      failure: {kind: 'gate', message: 'gate unit did not pass\nnot ok 1 - says hello'},
      gates: [GATE_FAILED],
    }),
    taskRow('goodbye', {state: 'cancelled', attempts: 1, endedAt: START + 90_000}),
    taskRow('lint', {state: 'succeeded', attempts: 1, endedAt: START + 15_000}),
    taskRow('join', {
      state: 'failed',
      attempts: 1,
      endedAt: START + 15_000,
      failure: {
        kind: 'conflict',
        message: 'the results of hello and goodbye edit the same lines',
        conflict: {
          paths: ['src/greet.js'],
          ours: {taskId: 'hello', commit: commit('1')},
          theirs: {taskId: 'goodbye', commit: commit('2')},
        },
      },
    }),
    taskRow('docs', {state: 'cancelled'}),
    taskRow('_merge-join', {
      state: 'failed',
      origin: 'merge',
      mergeFor: 'join',
      attempts: 1,
      failure: {kind: 'auth', message: 'not logged in'},
    }),
    attemptRow('design', 1, {
      state: 'ended',
      outcome: 'stale',
      agentId: 'a-9',
      startedAt: undefined,
      endedAt: START + 2000,
      refused: 1,
    }),
    attemptRow('design', 2, {
      state: 'ended',
      outcome: 'succeeded',
      startedAt: START + 3000,
      endedAt: START + 12_000,
    }),
    attemptRow('hello', 1, {
      state: 'ended',
      outcome: 'failed',
      startedAt: START + 13_000,
      endedAt: START + 20_000,
      failure: {kind: 'gate', message: 'gate unit did not pass\nnot ok 1 - says hello'},
      gates: [GATE_FAILED],
    }),
    attemptRow('goodbye', 1, {
      state: 'ended',
      outcome: 'cancelled',
      startedAt: START + 13_000,
      endedAt: START + 90_000,
    }),
    attemptRow('lint', 1, {
      state: 'ended',
      outcome: 'succeeded',
      startedAt: START + 13_000,
      endedAt: START + 15_000,
    }),
    attemptRow('join', 1, {
      state: 'ended',
      outcome: 'failed',
      startedAt: START + 14_000,
      endedAt: START + 15_000,
    }),
    {
      kind: 'refusal',
      id: 'r-1',
      refusal: {
        ...common,
        attemptId: `${SESSION}.design.1`,
        agentId: 'a-9',
        effect: 'completion',
        detail: 'its fence had fallen',
        fence: {store: 'x', attempt: `${SESSION}.design.1`, revision: 7},
        at: START + 60_000,
      },
    },
  ];
}

/** A rehearsal that succeeded. */
export function succeededRows(): Row[] {
  const ids = ['design', 'hello', 'goodbye', 'lint', 'join', 'docs', '_result'];
  return [
    sessionRow({
      state: 'succeeded',
      rehearsal: true,
      endedAt: START + 3_725_000,
      counts: {total: 6, succeeded: 6, failed: 0, cancelled: 0, running: 0, waiting: 0},
      result: {branch: `mcpx/${SESSION}`, commit: commit('c'), bundles: []},
      workspace: {repositoryId: 'r', commit: commit('b'), bundles: []},
    }),
    ...ids.flatMap((id, index) => [
      taskRow(id, {
        state: 'succeeded',
        attempts: 1,
        endedAt: START + (index + 1) * 60_000,
        ...(id === '_result' ? {origin: 'result'} : {}),
      }),
      attemptRow(id, 1, {
        state: 'ended',
        outcome: 'succeeded',
        agentId: `a-${(index % 3) + 1}`,
        startedAt: START + index * 60_000,
        endedAt: START + (index + 1) * 60_000,
      }),
    ]),
  ];
}

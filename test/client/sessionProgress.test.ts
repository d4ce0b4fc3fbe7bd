/** How far a session is, from rows alone. */
import assert from 'node:assert/strict';
import {type SessionProgress, sessionProgress} from '../../coordinator/client/report/sessionProgress.ts';
import {readSession} from '../../coordinator/client/report/sessionReport.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {parsePlan} from '../../coordinator/protocol/plan/parse.ts';
import {NO_USAGE} from '../../coordinator/protocol/usage.ts';

const NOW = 1_000_000;
const own = {v: 1, principal: 'c', sessionId: 's'};

function session(more: object = {}): Row {
  const counts = {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0};
  const record = {
    ...own,
    id: 's',
    name: 's',
    state: 'running',
    plan: '0'.repeat(64),
    createdAt: 0,
    strategy: 'x',
  };
  return {kind: 'session', id: 's', session: SessionRecord.parse({...record, spentUsd: 0, counts, ...more})};
}

function task(id: string, state: string, more: object = {}): Row {
  const record = {...own, id, state, attempts: 0, retries: 0, losses: 0, usage: NO_USAGE, ...more};
  return {kind: 'task', id, task: TaskRecord.parse(record)};
}

/** `activeMs` of work that has ended; else it runs since that long. */
function attempt(taskId: string, activeMs: number, ended = true): Row {
  const id = `s.${taskId}.1`;
  const times = ended ? {endedAt: NOW, activeMs, startedAt: 0} : {startedAt: NOW - activeMs};
  const record = {
    ...own,
    id,
    taskId,
    number: 1,
    agentId: 'a',
    agentIncarnation: 'i',
    coordinator: 'c',
    ...times,
  };
  const state = ended ? 'ended' : 'running';
  return {
    kind: 'attempt',
    id,
    attempt: AttemptRecord.parse({...record, state, assignedAt: 0, usage: NO_USAGE}),
  };
}

function progress(rows: Row[], {slots = 1, tasks = ''} = {}): SessionProgress {
  const parsed = parsePlan(`name: p\nworkspace: none\ntasks:\n${tasks}`);
  assert.equal(parsed.kind, 'plan', JSON.stringify(parsed));
  const plan = parsed.kind === 'plan' ? parsed.plan : undefined;
  const report = readSession(rows, 's', plan);
  assert.ok(report);
  return sessionProgress(report, plan, {wallNow: NOW, slots});
}

const FOUR = ['a', 'b', 'c', 'd'].map(id => `  - {id: ${id}, run: "true"}\n`).join('');

describe('the progress of a session', () => {
  it('is finished work of what is predicted, by the median of what its tasks took', () => {
    const rows = [
      session(),
      ...[task('a', 'succeeded'), attempt('a', 1000)],
      ...[task('b', 'succeeded'), attempt('b', 3000)],
      ...[task('c', 'running'), attempt('c', 400, false)],
      task('d', 'ready'),
    ];
    const {finishedMs, predictedMs, etaMs} = progress(rows, {tasks: FOUR});
    assert.deepEqual([finishedMs, predictedMs, etaMs], [4400, 6000, 1600]);
    assert.equal(progress(rows, {tasks: FOUR, slots: 4}).etaMs, 1000, 'two slots are not used twice');
  });

  it('waits for the longest path, however many agents there are', () => {
    const chain =
      '  - {id: a, run: "true"}\n  - {id: b, run: "true", dependsOn: a}\n  - {id: c, run: "true", dependsOn: b}\n';
    const rows = [session(), task('a', 'ready'), task('b', 'pending'), task('c', 'pending')];
    assert.equal(progress(rows, {tasks: chain, slots: 8}).etaMs, 60_000);
  });

  it('is whole only at the end, and never before it', () => {
    const running = [session(), task('a', 'running'), attempt('a', 100_000, false)];
    const {fraction, etaMs} = progress(running, {tasks: '  - {id: a, run: "true"}\n'});
    assert.deepEqual([fraction, etaMs], [0.99, 0]);
    const ended = [session({state: 'failed', endedAt: NOW}), task('a', 'failed'), attempt('a', 50)];
    assert.deepEqual(progress(ended, {tasks: '  - {id: a, run: "true"}\n'}), {
      finishedMs: 50,
      predictedMs: 50,
      fraction: 1,
      etaMs: 0,
    });
  });

  it('promises no end to what is paused, open, without agents, or waits for a person', () => {
    const one = {tasks: '  - {id: a, run: "true"}\n'};
    const waits = {waitingFor: {kind: 'person', message: 'run it again?'}};
    assert.equal(progress([session({state: 'paused'}), task('a', 'ready')], one).etaMs, undefined);
    assert.equal(progress([session({open: true}), task('a', 'ready')], one).etaMs, undefined);
    assert.equal(progress([session(), task('a', 'ready')], {...one, slots: 0}).etaMs, undefined);
    assert.equal(progress([session(), task('a', 'ready', waits)], one).etaMs, undefined);
    assert.equal(progress([session(), task('a', 'ready')], one).etaMs, 20_000);
  });
});

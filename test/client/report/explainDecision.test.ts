/** Decisions in sentences. */
import assert from 'node:assert/strict';
import {explainBackup} from '../../../coordinator/client/report/explainBackup.ts';
import {explainDecision} from '../../../coordinator/client/report/explainDecision.ts';
import {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';

describe('Explanation of a decision', () => {
  it('says who won, what was expected, why, and who was next', () => {
    const text = explainDecision('a-1', {
      strategy: 'ai-optimized',
      score: -71,
      features: {expectedMs: 71_000, waitMs: 0, ratio: 0.7, n: 23, warm: 1},
      taskClass: 'prompt:security',
      guessed: ['security'],
      considered: 12,
      others: [{agentId: 'a-2', score: -90, features: {expectedMs: 80_000, waitMs: 10_000}}],
      durationMs: 65_000,
      success: 0.94,
      seed: 7,
      inputHash: '0a1b2c3d',
    });
    assert.deepEqual(text, [
      'a-1 was chosen by ai-optimized among 12 agents that could take it.',
      'The task was taken for one of the class prompt:security: it looks like security, which its plan does not say.',
      'It was expected to take 65 s and to succeed with 94 %.',
      '1.4x faster on tasks of this class, n = 23.',
      'It had worked on this repository lately: no set-up.',
      'Next was a-2, score -90.00 against -71.00 (busy for another 10 s, 80 s from its start).',
      'Seed 7, inputs 0a1b2c3d.',
    ]);
  });

  it('says what it can of decisions that kept less', () => {
    assert.deepEqual(
      explainDecision('a-1', {
        strategy: 'capability-weighted',
        score: 4,
        features: {match: 1, free: 0.5, local: 0},
      }),
      [
        'a-1 was chosen by capability-weighted.',
        'Declared proficiency matches with 100 %.',
        '50 % of its slots were free.',
      ],
    );
    assert.deepEqual(
      explainDecision('a-1', {strategy: 'round-robin', score: -3, features: {lastPlaced: 3}}),
      ['a-1 was chosen by round-robin.', 'It had waited longest for work.'],
    );
  });
});

describe('Explanation of a backup', () => {
  const attempt = (patch: Partial<AttemptRecord>): AttemptRecord =>
    AttemptRecord.parse({
      ...{v: 1, principal: 'test', id: 's-1.one.2', sessionId: 's-1', taskId: 'one', number: 2},
      ...{agentId: 'a-2', agentIncarnation: 'x', coordinator: 'c-1', state: 'running', assignedAt: 0},
      usage: {...NO_USAGE, costUsd: 0.5},
      backupOf: {attemptId: 's-1.one.1', elapsedMs: 300_000, expectedMs: 60_000, leftMs: 210_000},
      ...patch,
    });

  it('says why it began, what became of it, and what it cost', () => {
    assert.deepEqual(explainBackup(attempt({backup: true})), [
      'It began as a backup of s-1.one.1, which had run for 5 min 0 s where 60 s was expected, and was thought to need 3 min 30 s more.',
      'Both run: the first to be done counts.',
      "Of the session's cost, $0.5000 is this speculation.",
    ]);
    const told = (patch: Partial<AttemptRecord>): string | undefined => explainBackup(attempt(patch))[1];
    assert.equal(told({}), 'It has taken the place of that one, and is the only one now.');
    assert.equal(told({state: 'ended', outcome: 'succeeded'}), 'It was done first, and counts.');
    const failure = {kind: 'cancelled', message: 'attempt 1 on a-1 was done first'} as const;
    assert.equal(
      told({state: 'ended', outcome: 'cancelled', failure}),
      'It does not count: attempt 1 on a-1 was done first.',
    );
    assert.deepEqual(explainBackup(attempt({backupOf: undefined})), []);
  });
});

/** Attempts that change one path at the same time. */
import assert from 'node:assert/strict';
import {overlaps} from '../../coordinator/client/overlaps.ts';
import {attemptId} from '../../coordinator/protocol/ids.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';

type State = AttemptRecord['state'];

const attempt = (
  taskId: string,
  names: readonly string[],
  more: {number?: number; sessionId?: string; state?: State} = {},
) => {
  const {number = 1, sessionId = 's-1', state = 'running'} = more;
  const paths = {names: [...names], truncated: false};
  return {id: attemptId(sessionId, taskId, number), sessionId, taskId, state, paths};
};

describe('overlaps', () => {
  it('are paths that attempts of several tasks of one session change', () => {
    const found = overlaps([
      attempt('b', ['src/a.ts', 'src/c.ts', 'z']),
      attempt('a', ['src/a.ts', 'src/b.ts']),
      attempt('c', ['src/a.ts', 'src/c.ts'], {state: 'verifying'}),
      attempt('a', ['z'], {sessionId: 's-2'}),
    ]);
    assert.deepEqual(found, [
      {sessionId: 's-1', path: 'src/a.ts', attempts: ['s-1.a.1', 's-1.b.1', 's-1.c.1']},
      {sessionId: 's-1', path: 'src/c.ts', attempts: ['s-1.b.1', 's-1.c.1']},
    ]);
  });

  it('do not count what has ended, another attempt of the same task, or an attempt of which nothing is known', () => {
    const {paths: _, ...unknown} = attempt('c', []);
    const found = overlaps([
      attempt('a', ['x']),
      attempt('a', ['x'], {number: 2}),
      attempt('b', ['x'], {state: 'ended'}),
      unknown,
    ]);
    assert.deepEqual(found, []);
  });
});

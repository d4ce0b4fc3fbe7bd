/** Tools by which an attempt looks at what its task begins with, and divides it. */
import * as z from 'zod';
import {ProtocolError} from '../../protocol/errors.ts';
import {MAX_PARTS} from '../../protocol/plan/splitSchema.ts';
import type {AttemptGrant} from '../../security/principal.ts';
import type {Actor} from './actor.ts';
import {type HubTool, hubTool} from './hubTool.ts';

const dependenciesGet = hubTool({
  name: 'dependencies_get',
  title: 'Results of the tasks before',
  description:
    'The results of the tasks that your own task depends on: summary, structured value and commit of each. Their commits are merged into your worktree already.',
  scope: 'attempt',
  readOnly: true,
  input: z.object({}),
  output: z.object({
    results: z.array(
      z.object({
        taskId: z.string(),
        summary: z.string(),
        value: z.unknown().optional(),
        commit: z.string().optional(),
      }),
    ),
  }),
  async run(_input, {actor}) {
    const {attemptId, fence} = attemptOf(actor);
    const {results} = await actor.request(
      'mcpx.coordinate.dependency.resolve',
      {attemptId, fence},
      {retry: true},
    );
    return {
      results: results.map(({taskId, result: {summary, value, commit}}) => ({
        taskId,
        summary,
        value,
        commit,
      })),
    };
  },
  say: ({results}) =>
    results.length === 0
      ? 'The task depends on no other.'
      : results.map(({taskId, summary}) => `${taskId}: ${summary}`).join('\n'),
});

const taskSplit = hubTool({
  name: 'task_split',
  title: 'Divide the own task',
  description:
    'Divides your own task into parts that others do at the same time, each with its items, and merges what they leave. Your attempt makes way for them: it is over with this call, at nobody\'s cost. For a task that its plan says may be divided over files ("split").',
  scope: 'attempt',
  destructive: true,
  idempotent: true,
  input: z.object({
    parts: z
      .array(z.array(z.string().max(4096)).min(1).max(10_000))
      .min(1)
      .max(MAX_PARTS)
      .describe('The items of each part.'),
  }),
  output: z.object({taskIds: z.array(z.string())}),
  async run({parts}, {actor}) {
    const {attemptId, fence} = attemptOf(actor);
    const split = {kind: 'parts', parts} as const;
    return actor.request('mcpx.distribute.task.split', {attemptId, fence, split}, {retry: true});
  },
  say: ({taskIds}) => `Divided into ${taskIds.join(', ')}. This attempt makes way for them.`,
});

function attemptOf({attempt}: Actor): AttemptGrant {
  if (attempt) return attempt;
  throw new ProtocolError('forbidden', 'only an attempt may do this');
}

export const ATTEMPT_TOOLS: readonly HubTool[] = [dependenciesGet, taskSplit];

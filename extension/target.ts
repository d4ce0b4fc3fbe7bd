/** What a command is about: given by the tree item, the page or the other command that called it, asked of the person otherwise. */
import * as z from 'zod';
import {AgentId, AttemptId, Identifier, SessionId, TaskId} from '../coordinator/protocol/ids.ts';
import {ServerName} from '../coordinator/protocol/model/server.ts';

export const Target = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('session'), sessionId: SessionId}),
  z.object({kind: z.literal('task'), sessionId: SessionId, taskId: TaskId}),
  z.object({kind: z.literal('attempt'), attemptId: AttemptId}),
  z.object({kind: z.literal('agent'), agentId: AgentId}),
  z.object({kind: z.literal('approval'), sessionId: SessionId, approvalId: Identifier}),
  z.object({kind: z.literal('stateKey'), sessionId: SessionId, key: z.string()}),
  z.object({kind: z.literal('stateConflict'), sessionId: SessionId, conflictId: Identifier}),
  z.object({kind: z.literal('server'), server: ServerName}),
  /** `name` of a tool or prompt, or a resource's URI: as the server has it. */
  z.object({
    kind: z.literal('offer'),
    server: ServerName,
    part: z.enum(['tools', 'resources', 'prompts']),
    name: z.string(),
  }),
]);
export type Target = z.infer<typeof Target>;

/** The target that a command's first argument carries: tree items have it as `target`, other callers pass it as it is. */
export function targetOf(argument: unknown): Target | undefined {
  const carried =
    typeof argument === 'object' && argument !== null && 'target' in argument ? argument.target : argument;
  const parsed = Target.safeParse(carried);
  return parsed.success ? parsed.data : undefined;
}

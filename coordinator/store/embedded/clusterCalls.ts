/** What members ask each other beside Raft's own messages: questions that only the leader can answer. */
import * as z from 'zod';
import {COORDINATOR_ERROR_CODES, CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';

const Id = z.string().min(1).max(256);

export const ClusterCall = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('keepAlive'), lease: z.string()}),
  z.object({kind: z.literal('add'), id: Id, address: z.string().max(1024)}),
  z.object({kind: z.literal('remove'), id: Id}),
  z.object({kind: z.literal('transfer'), to: Id.optional()}),
  z.object({kind: z.literal('status')}),
]);
export type ClusterCall = z.infer<typeof ClusterCall>;

export const MemberStatus = z.object({
  id: z.string(),
  address: z.string(),
  role: z.enum(['voter', 'learner']),
  leader: z.boolean(),
  /** Entries of the leader's log that it does not have on disk, as far as the leader knows. */
  lag: z.number().optional(),
  /** It has answered within an election timeout. */
  active: z.boolean().optional(),
});

export const ClusterStatus = z.object({
  cluster: z.string(),
  /** The member that answers. */
  node: z.string(),
  leader: z.string().optional(),
  term: z.number(),
  committed: z.number(),
  /** A change is on its way, or a majority is not known to have heard of it: until then the members may not go on without their leader. */
  changing: z.boolean(),
  members: z.array(MemberStatus),
});
export type ClusterStatus = z.infer<typeof ClusterStatus>;

export const ClusterFault = z.object({
  error: z.object({
    code: z.enum(COORDINATOR_ERROR_CODES).catch('internal'),
    message: z.string(),
    hint: z.string().optional(),
  }),
});

const Answer = z.union([ClusterFault, z.object({ok: z.unknown()})]);

/** The answer as text, whether `answer` succeeds or not. */
export async function answerText(answer: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify({ok: (await answer()) ?? null});
  } catch (error) {
    if (!isCoordinatorError(error)) throw error;
    const {code, message, hint} = error;
    return JSON.stringify({error: {code, message, ...(hint === undefined ? {} : {hint})}});
  }
}

/** Throws the error that the other end had. */
export function answerOf(text: string): unknown {
  const answer = Answer.parse(JSON.parse(text));
  if ('error' in answer)
    throw new CoordinatorError(answer.error.code, answer.error.message, {hint: answer.error.hint});
  return answer.ok;
}

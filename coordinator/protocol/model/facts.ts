/** The smaller stored records: refs, memory, approvals, transcript segments, spend, audit, the lead and the coordinators. */
import * as z from 'zod';
import {ApprovalRequest, ApprovalState} from '../approval.ts';
import {AgentId, AttemptId, CommitId, Identifier, SessionId, Sha256, TaskId, WallTime} from '../ids.ts';
import {VectorClock} from '../vectorClock.ts';
import {ConflictStrategy} from './conflictStrategy.ts';
import {recordFields} from './record.ts';
import {CommitBundle} from './session.ts';

/** A git ref of a session. The repository's own refs follow it. */
export const RefRecord = z.looseObject({
  ...recordFields,
  name: z.string().max(256),
  commit: CommitId,
  bundle: CommitBundle.optional(),
  attemptId: AttemptId,
  at: WallTime,
});
export type RefRecord = z.infer<typeof RefRecord>;

/** In UTF-8: the key of a record has room for it, whatever its session is called. */
const MAX_KEY_BYTES = 384;

export const MemoryKey = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^\s/][^\s]*$/, 'no white space, no leading slash')
  .refine(
    key => key.length * 3 <= MAX_KEY_BYTES || new TextEncoder().encode(key).length <= MAX_KEY_BYTES,
    `at most ${MAX_KEY_BYTES} bytes`,
  )
  .refine(key => !/\p{Surrogate}/u.test(key), 'whole characters');

export const ResolvedBy = z.object({strategy: ConflictStrategy, conflict: z.string().max(128).optional()});
export type ResolvedBy = z.infer<typeof ResolvedBy>;

export const MemoryRecord = z.looseObject({
  ...recordFields,
  value: z.json(),
  /** Wall time of the write. */
  timestamp: WallTime,
  /** The attempt that wrote it, if one did. */
  attemptId: AttemptId.optional(),
  /** SHA-256 of the canonical JSON of the value. */
  checksum: Sha256,
  /** The agent or coordinator where it was written. */
  instanceId: z.string().max(128).optional(),
  /** It ends this many ms after the write, by a transaction: maybe later, never earlier. */
  ttl: z.number().int().positive().optional(),
  /** Of an offline write that was taken as it is. Others have seen what was committed before them. */
  clock: VectorClock.optional(),
  /** Of the proposal that made it. */
  changeId: z.string().max(128).optional(),
  /** It came out of a conflict. */
  resolved: ResolvedBy.optional(),
  /** A rollback put it back: the revision that it is as of. */
  restored: z.number().int().nonnegative().optional(),
});
export type MemoryRecord = z.infer<typeof MemoryRecord>;

export const ApprovalRecord = z.looseObject({
  ...recordFields,
  id: Identifier,
  sessionId: SessionId,
  taskId: TaskId,
  attemptId: AttemptId.optional(),
  agentId: AgentId.optional(),
  request: ApprovalRequest,
  state: ApprovalState,
  askedAt: WallTime,
});
export type ApprovalRecord = z.infer<typeof ApprovalRecord>;

/** One sealed piece of a transcript: JSON lines in the artifact store. */
export const TranscriptSegment = z.looseObject({
  ...recordFields,
  artifact: Sha256,
  bytes: z.number().int().nonnegative(),
  firstSeq: z.number().int().positive(),
  lastSeq: z.number().int().positive(),
});
export type TranscriptSegment = z.infer<typeof TranscriptSegment>;

/** Dollars that the fleet spent on one UTC day. */
export const SpendRecord = z.looseObject({
  ...recordFields,
  day: z.string(),
  spentUsd: z.number().nonnegative(),
});
export type SpendRecord = z.infer<typeof SpendRecord>;

/** A decision that mattered. Each writer's records form a chain: `previous` is the hash of the record before. */
export const AuditRecord = z.looseObject({
  ...recordFields,
  sequence: z.number().int().positive(),
  at: WallTime,
  action: z.string().max(128),
  subject: z.string().max(512),
  detail: z.json().optional(),
  previous: z.string().max(64),
  hash: z.string().max(64),
});
export type AuditRecord = z.infer<typeof AuditRecord>;

/** Who schedules. The create revision of its key fences the lead's own transactions. */
export const LeadRecord = z.looseObject({...recordFields, coordinator: z.string().max(128), since: WallTime});
export type LeadRecord = z.infer<typeof LeadRecord>;

/** A coordinator that lives. */
export const CoordinatorRecord = z.looseObject({
  ...recordFields,
  id: z.string().max(128),
  /** `ws(s)://host:port` of its door. */
  url: z.string().max(512),
  /** PEM of the authority behind it, where there is TLS. */
  ca: z.string().max(16_384).optional(),
  /** Its name as a member of the store's cluster, where it is one. */
  node: z.string().max(256).optional(),
  version: z.string().max(64),
  since: WallTime,
});
export type CoordinatorRecord = z.infer<typeof CoordinatorRecord>;

/** An agent that listens, which this coordinator dials. No view shows it: it has the token that the agent wants to see. */
export const DialledRecord = z.looseObject({
  ...recordFields,
  url: z.string().max(512),
  token: z.string().max(1024),
  ca: z.string().max(16_384).optional(),
});
export type DialledRecord = z.infer<typeof DialledRecord>;

/** What the coordinators of one store share, made by the first of them: 32 bytes in hex. */
export const ClusterSecretRecord = z.looseObject({
  ...recordFields,
  secret: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ClusterSecretRecord = z.infer<typeof ClusterSecretRecord>;

/** SHA-256 of the tokens of a coordinator's own user, which the others of the store accept too. */
export const FixedTokensRecord = z.looseObject({...recordFields, client: Sha256, agent: Sha256});
export type FixedTokensRecord = z.infer<typeof FixedTokensRecord>;

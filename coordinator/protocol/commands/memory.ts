/** Commands of shared memory: reads at a level or in the past, writes, history, conflicts, and the sync of replicas. */
import * as z from 'zod';
import {AgentId, Fence, Identifier, SessionId, WallTime} from '../ids.ts';
import {KeyPattern} from '../keyPattern.ts';
import {ConflictRule} from '../model/conflictStrategy.ts';
import {MemoryKey, MemoryRecord} from '../model/facts.ts';
import {MemoryDeletion, WriteOutcome} from '../model/memory.ts';
import {VectorClock} from '../vectorClock.ts';

const Revision = z.number().int().nonnegative();
const Version = z.number().int().nonnegative();

/**
 * `strong` is linearizable; `session` is at least as new as a revision that the reader has seen; `bounded` is at most that many ms old;
 * `eventual` is what is known here, and the store's where nothing is.
 */
export const ConsistencyLevel = z.union([
  z.enum(['strong', 'eventual']),
  z.strictObject({session: Revision}),
  z.strictObject({bounded: z.number().nonnegative()}),
]);
export type ConsistencyLevel = z.infer<typeof ConsistencyLevel>;

export const MemoryPut = z.object({
  sessionId: SessionId,
  key: MemoryKey,
  value: z.json(),
  /** Required of attempts: the write is refused when it has fallen. */
  fence: Fence.optional(),
  /** Write only when the key has this version; 0: only when it is absent. */
  ifVersion: Version.optional(),
  /** The value ends this many ms after the write: maybe later, never earlier. */
  ttl: z.number().int().positive().optional(),
});
export type MemoryPut = z.infer<typeof MemoryPut>;
export const MemoryPutResult = z.object({
  version: z.number().int().positive(),
  revision: z.number().int().positive(),
});
export type MemoryPutResult = z.infer<typeof MemoryPutResult>;

export const MemoryDelete = z.object({
  sessionId: SessionId,
  key: MemoryKey,
  fence: Fence.optional(),
  ifVersion: z.number().int().positive().optional(),
});
export type MemoryDelete = z.infer<typeof MemoryDelete>;
/** `deleted`: there was such a key. */
export const MemoryDeleteResult = z.object({deleted: z.boolean(), revision: Revision});
export type MemoryDeleteResult = z.infer<typeof MemoryDeleteResult>;

/** Writes of one transaction: each takes up to three operations of the store's. */
export const MAX_MEMORY_WRITES = 40;

export const MemoryWrite = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('put'),
    key: MemoryKey,
    value: z.json(),
    /** Only when the key has this version; 0: only when it is absent. */
    ifVersion: Version.optional(),
    ttl: z.number().int().positive().optional(),
  }),
  z.object({kind: z.literal('delete'), key: MemoryKey, ifVersion: z.number().int().positive().optional()}),
]);
export type MemoryWrite = z.infer<typeof MemoryWrite>;

/** All of the writes or none: no reader sees some of them only. No key twice. */
export const MemoryTxn = z.object({
  sessionId: SessionId,
  writes: z.array(MemoryWrite).min(1).max(MAX_MEMORY_WRITES),
  /** As that of a put. */
  fence: Fence.optional(),
});
export type MemoryTxn = z.infer<typeof MemoryTxn>;
export const MemoryTxnResult = z.object({
  revision: Revision,
  /** In the order of the writes; 0: the key is gone. */
  versions: z.array(Version),
});
export type MemoryTxnResult = z.infer<typeof MemoryTxnResult>;

export const MemoryGet = z.object({
  sessionId: SessionId,
  key: MemoryKey,
  /** Default: `strong`. */
  level: ConsistencyLevel.optional(),
  /** As it was at this revision; excludes `level`. */
  atRevision: z.number().int().positive().optional(),
});
export type MemoryGet = z.infer<typeof MemoryGet>;
/** Without `record`: there is no such key, or, with `compacted`, nobody remembers. */
export const MemoryGetResult = z.object({
  record: MemoryRecord.optional(),
  version: Version,
  /** Up to which the answer is known to hold. */
  revision: Revision,
  /** That wrote the value. */
  modRevision: Revision.optional(),
  /** The answer held this many ms ago, and may have been overtaken since; 0 when it was read from the store. */
  ageMs: z.number().nonnegative().optional(),
  /** What was before this revision has been forgotten. */
  compacted: Revision.optional(),
});
export type MemoryGetResult = z.infer<typeof MemoryGetResult>;

export const MemoryEntry = z.object({
  key: MemoryKey,
  record: MemoryRecord,
  version: z.number().int().positive(),
  modRevision: z.number().int().positive(),
});
export type MemoryEntry = z.infer<typeof MemoryEntry>;

export const MemoryList = z.object({
  sessionId: SessionId,
  /** Default: every key. */
  pattern: KeyPattern.optional(),
  /** `next` of the page before. */
  after: MemoryKey.optional(),
  limit: z.number().int().min(1).max(1000).default(1000),
  atRevision: z.number().int().positive().optional(),
});
export type MemoryList = z.infer<typeof MemoryList>;
export const MemoryListed = z.object({
  entries: z.array(MemoryEntry),
  revision: Revision,
  /** There may be more after this key. */
  next: MemoryKey.optional(),
  compacted: Revision.optional(),
});
export type MemoryListed = z.infer<typeof MemoryListed>;

export const MemoryHistory = z.object({
  sessionId: SessionId,
  key: MemoryKey,
  /** `next` of the page before. Default: now. */
  before: z.number().int().positive().optional(),
  limit: z.number().int().min(1).max(200).default(50),
});
export type MemoryHistory = z.infer<typeof MemoryHistory>;
export const MemoryVersion = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('put'),
    revision: z.number().int().positive(),
    version: z.number().int().positive(),
    record: MemoryRecord,
  }),
  z.object({kind: z.literal('delete'), revision: z.number().int().positive(), deletion: MemoryDeletion}),
]);
export type MemoryVersion = z.infer<typeof MemoryVersion>;
export const MemoryHistoryResult = z.object({
  /** Newest first. */
  versions: z.array(MemoryVersion),
  next: z.number().int().positive().optional(),
  /** What was before this revision has been forgotten: there may have been earlier versions. */
  compacted: Revision.optional(),
});
export type MemoryHistoryResult = z.infer<typeof MemoryHistoryResult>;

export const MemoryResolve = z.object({
  sessionId: SessionId,
  conflictId: Identifier,
  choice: z.discriminatedUnion('kind', [
    z.object({kind: z.literal('mine')}),
    z.object({kind: z.literal('theirs')}),
    z.object({kind: z.literal('value'), value: z.json()}),
  ]),
  /** Only when the key still has the version that the person saw. */
  ifVersion: Version.optional(),
});
export type MemoryResolve = z.infer<typeof MemoryResolve>;
export const MemoryResolved = z.object({version: Version, revision: Revision});
export type MemoryResolved = z.infer<typeof MemoryResolved>;

/** Reads the rules, after a change where one is named. */
export const MemoryPolicy = z.object({
  set: ConflictRule.optional(),
  remove: z.object({prefix: z.string().max(256), sessionId: SessionId.optional()}).optional(),
});
export type MemoryPolicy = z.infer<typeof MemoryPolicy>;
export const MemoryPolicyResult = z.object({rules: z.array(ConflictRule)});
export type MemoryPolicyResult = z.infer<typeof MemoryPolicyResult>;

/** A write that an agent made while it was cut off. */
export const OfflineWrite = z.object({
  /** The agent's run, and its number in there: rising, of all sessions together. */
  incarnation: Identifier,
  sequence: z.number().int().positive(),
  fence: Fence,
  key: MemoryKey,
  /** Absent: the key was deleted. */
  value: z.json().optional(),
  ttl: z.number().int().positive().optional(),
  timestamp: WallTime,
  /** What the writer had seen under the key; revision 0: no such key. */
  base: z.object({revision: Revision, value: z.json().optional()}),
  clock: VectorClock,
});
export type OfflineWrite = z.infer<typeof OfflineWrite>;

/** What a replica has: everything up to a revision of a store, and of each run of its agent the offline writes that were taken. */
export const VersionVector = z.object({
  store: z.string().max(128),
  revision: Revision,
  writers: z.record(Identifier, z.number().int().nonnegative()),
});
export type VersionVector = z.infer<typeof VersionVector>;

export const MAX_SYNC_WRITES = 64;

export const StateSync = z.object({
  sessionId: SessionId,
  /** Of an agent. Absent: the receiver is asked to sync its replica, or those of its agents. */
  replica: z.object({have: VersionVector, writes: z.array(OfflineWrite).max(MAX_SYNC_WRITES)}).optional(),
  /** Of a client: which agents. Default: all that work for the session. */
  targetAgents: z.array(AgentId).max(10_000).optional(),
});
export type StateSync = z.infer<typeof StateSync>;

export const MemoryChange = z.object({
  key: MemoryKey,
  revision: z.number().int().positive(),
  /** Absent: the key is gone. */
  entry: z.object({record: MemoryRecord, version: z.number().int().positive()}).optional(),
});
export type MemoryChange = z.infer<typeof MemoryChange>;

export const StateSynced = z.object({
  /** Where the replica stands once it has taken the answer. */
  vector: VersionVector,
  /** What became of the writes, in their order. */
  outcomes: z.array(WriteOutcome).default([]),
  changes: z.array(MemoryChange).default([]),
  /** The changes are all there is: whatever else the replica has is gone. */
  reset: z.boolean().default(false),
  more: z.boolean().default(false),
  /** The agent works for this session no more: it is told no changes. */
  ended: z.boolean().default(false),
  /** Which replicas a client's call has brought up to date. */
  agents: z
    .array(
      z.object({
        agentId: AgentId,
        ok: z.boolean(),
        revision: Revision.optional(),
        error: z.string().optional(),
      }),
    )
    .optional(),
});
export type StateSynced = z.infer<typeof StateSynced>;

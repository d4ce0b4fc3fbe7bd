/** Views: what a client may watch. A snapshot at a revision, then every change in order; after a cut it resumes or is told to start anew. */
import * as z from 'zod';
import {ApprovalAnswer} from '../approval.ts';
import {AttemptId, CommitId, Identifier, SessionId, WallTime} from '../ids.ts';
import {AgentRecord} from '../model/agent.ts';
import {AttemptRecord, RefusalRecord} from '../model/attempt.ts';
import {ApprovalRecord, MemoryRecord, RefRecord} from '../model/facts.ts';
import {MemoryConflictRecord} from '../model/memory.ts';
import {ServerName} from '../model/server.ts';
import {CommitBundle, SessionRecord} from '../model/session.ts';
import {TaskRecord} from '../model/task.ts';
import {TranscriptEvent} from '../transcript.ts';

export const ViewSelector = z.discriminatedUnion('view', [
  /** Agents of the tenant. */
  z.object({view: z.literal('agents')}),
  /** One row a session. */
  z.object({view: z.literal('sessions')}),
  /** A session with its tasks, attempts, refs, refusals, and what of it waits for a person. */
  z.object({view: z.literal('session'), sessionId: SessionId}),
  /** Whatever waits for a person, in all sessions or one. */
  z.object({view: z.literal('approvals'), sessionId: SessionId.optional()}),
  /** A session's shared memory, and its conflicts. */
  z.object({view: z.literal('memory'), sessionId: SessionId}),
  /** Conflicts of shared memory that wait for a person, of all sessions. */
  z.object({view: z.literal('conflicts')}),
  /** That an MCP server is registered, registered anew or removed; `mcpx.server.list` tells how, and how they do. */
  z.object({view: z.literal('servers')}),
]);
export type ViewSelector = z.infer<typeof ViewSelector>;

export const Row = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('agent'), id: z.string(), agent: AgentRecord, online: z.boolean()}),
  z.object({kind: z.literal('session'), id: z.string(), session: SessionRecord}),
  z.object({kind: z.literal('task'), id: z.string(), task: TaskRecord}),
  z.object({kind: z.literal('attempt'), id: z.string(), attempt: AttemptRecord}),
  z.object({kind: z.literal('ref'), id: z.string(), ref: RefRecord}),
  z.object({kind: z.literal('refusal'), id: z.string(), refusal: RefusalRecord}),
  z.object({kind: z.literal('approval'), id: z.string(), approval: ApprovalRecord}),
  z.object({
    kind: z.literal('memory'),
    id: z.string(),
    key: z.string(),
    memory: MemoryRecord,
    version: z.number().int().positive(),
  }),
  z.object({kind: z.literal('conflict'), id: z.string(), conflict: MemoryConflictRecord}),
  /** Without its record, in which there may be secrets. */
  z.object({kind: z.literal('server'), id: ServerName, version: z.number().int().positive()}),
]);
export type Row = z.infer<typeof Row>;

/** Where a client stands: a revision of one store incarnation. */
export const Cursor = z.object({store: z.string(), revision: z.number().int().nonnegative()});
export type Cursor = z.infer<typeof Cursor>;

export const WatchOpen = z.object({
  watchId: Identifier,
  selector: ViewSelector,
  /** Resume after this cursor. */ from: Cursor.optional(),
});
/** `snapshot` rows arrive in `mcpx.watch.event` messages that follow, the last of them with `complete`. */
export const WatchOpened = z.object({kind: z.enum(['snapshot', 'resumed', 'reset']), cursor: Cursor});
export const WatchClose = z.object({watchId: Identifier});

/** Hub -> client notification. Events of one watch arrive in order; `seq` rises by one. */
export const WatchEvent = z.object({
  watchId: Identifier,
  seq: z.number().int().positive(),
  /** Other watches of the connection whose event it is too. Only to who has declared `watch.shared`. */
  also: z
    .array(z.object({watchId: Identifier, seq: z.number().int().positive()}))
    .max(10_000)
    .optional(),
  event: z.discriminatedUnion('kind', [
    z.object({kind: z.literal('rows'), cursor: Cursor, rows: z.array(Row), complete: z.boolean()}),
    z.object({
      kind: z.literal('changes'),
      cursor: Cursor,
      upserts: z.array(Row),
      deletes: z.array(z.object({kind: z.string(), id: z.string()})),
    }),
    /** The client fell too far behind, or the ring is gone: it opens the watch anew. */
    z.object({kind: z.literal('reset'), reason: z.string()}),
  ]),
});
export type WatchEvent = z.infer<typeof WatchEvent>;

/** A window of a transcript; `live` events follow as notifications until the window is closed. */
export const TranscriptRead = z.object({
  attemptId: AttemptId,
  fromSeq: z.number().int().positive(),
  limit: z.number().int().min(1).max(1000),
});
export const TranscriptWindow = z.object({
  firstSeq: z.number().int().positive(),
  events: z.array(TranscriptEvent),
  lastSeq: z.number().int().nonnegative(),
  ended: z.boolean(),
});
export const TranscriptFollow = z.object({attemptId: AttemptId, follow: z.boolean()});
/** Hub -> client notification. A jump of `firstSeq` means events that the client reads itself. */
export const TranscriptEvents = z.object({
  attemptId: AttemptId,
  firstSeq: z.number().int().positive(),
  events: z.array(TranscriptEvent),
});

export const ApprovalAnswerRequest = z.object({
  sessionId: SessionId,
  approvalId: Identifier,
  answer: ApprovalAnswer,
});

export const ClusterInfo = z.object({
  coordinator: z.string(),
  version: z.string(),
  protocol: z.string(),
  store: z.object({
    driver: z.string(),
    incarnation: z.string(),
    revision: z.number().int().nonnegative(),
    keys: z.number().int().nonnegative(),
    bytesOnDisk: z.number().nonnegative(),
    degraded: z.string().optional(),
  }),
  lead: z.string().optional(),
  startedAt: WallTime,
  agents: z.number().int().nonnegative(),
  sessions: z.number().int().nonnegative(),
  /** Connected ones, whoever asks among them. */
  clients: z.number().int().nonnegative().optional(),
});
export type ClusterInfo = z.infer<typeof ClusterInfo>;

/** Which of these commits the coordinators can hand out already, and how: what a client need not upload. */
export const KnownCommits = z.object({
  repositoryId: z.string().max(128),
  commits: z.array(CommitId).max(1024),
});
export const KnownCommitsResult = z.object({
  known: z.array(CommitId),
  /** Bundles that lead to the known commits, prerequisites first. */
  bundles: z.array(CommitBundle),
});

export const TokenCreate = z.object({
  role: z.enum(['agent', 'client']),
  ttlSeconds: z
    .number()
    .int()
    .positive()
    .max(366 * 86_400),
  label: z.string().max(128).optional(),
});
export const TokenCreated = z.object({
  token: z.string(),
  id: z.string(),
  expiresAt: WallTime,
  /** SHA-256 of the cluster CA's public key, for the join command; absent where there is no TLS. */
  caPin: z.string().optional(),
  url: z.string().optional(),
});

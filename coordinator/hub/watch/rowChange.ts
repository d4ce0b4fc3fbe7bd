/** What a store event means to the views: which row of which channel changed, and the row's JSON, made once for all watchers. */
import type * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import type {Row, ViewSelector} from '../../protocol/commands/watch.ts';
import {attemptId} from '../../protocol/ids.ts';
import {AgentRecord} from '../../protocol/model/agent.ts';
import {AttemptRecord, RefusalRecord} from '../../protocol/model/attempt.ts';
import {ApprovalRecord, MemoryRecord, RefRecord} from '../../protocol/model/facts.ts';
import {MemoryConflictRecord} from '../../protocol/model/memory.ts';
import {parseRecord} from '../../protocol/model/record.ts';
import {ServerRecord} from '../../protocol/model/server.ts';
import {SessionRecord} from '../../protocol/model/session.ts';
import {TaskRecord} from '../../protocol/model/task.ts';

export type RowKind = Row['kind'];

/** Where the row's record is stored and what it says; absent: the row is gone. */
export interface RowSource {
  readonly key: string;
  readonly value: string;
  readonly version: number;
  /** For agents. */
  readonly online?: boolean;
}

const SCHEMAS: Readonly<Record<RowKind, z.ZodType>> = {
  agent: AgentRecord,
  session: SessionRecord,
  task: TaskRecord,
  attempt: AttemptRecord,
  ref: RefRecord,
  refusal: RefusalRecord,
  approval: ApprovalRecord,
  memory: MemoryRecord,
  conflict: MemoryConflictRecord,
  server: ServerRecord,
};

export class RowChange {
  private text: string | undefined | null = null;
  private madeId: string | undefined;

  constructor(
    readonly kind: RowKind,
    private readonly idOf: string | (() => string),
    /** The views that show it, as `channelOf` names them. */
    readonly channels: readonly string[],
    readonly source: RowSource | undefined,
  ) {}

  /** Unique among the rows of its kind in any one view. Most changes are never shown to anybody, so it is made when it is asked for. */
  get id(): string {
    this.madeId ??= typeof this.idOf === 'string' ? this.idOf : this.idOf();
    return this.madeId;
  }

  /** The row's JSON, or undefined for a record that cannot be read, which is reported once. */
  rowText(logger: Logger): string | undefined {
    if (this.text !== null) return this.text;
    this.text = this.source && encodeRow(this.kind, this.id, this.source, logger);
    return this.text;
  }

  /** Approximate bytes that it keeps in memory. */
  get bytes(): number {
    return 192 + (this.source?.value.length ?? 0);
  }
}

/** The stored text goes out as it is, once it has been read: fields that this build does not know reach newer clients. */
function encodeRow(kind: RowKind, id: string, source: RowSource, logger: Logger): string | undefined {
  const {key, value, version, online} = source;
  try {
    parseRecord(SCHEMAS[kind], key, value);
  } catch (error) {
    logger.error('a record cannot be shown', {key, error});
    return undefined;
  }
  if (kind === 'server') return JSON.stringify({kind, id, version} satisfies Row);
  const start = `{"kind":"${kind}","id":${JSON.stringify(id)},"${kind}":${value}`;
  if (kind === 'agent') return `${start},"online":${online === true}}`;
  if (kind === 'memory') return `${start},"key":${JSON.stringify(id)},"version":${version}}`;
  return `${start}}`;
}

/** The channel that a view listens to. */
export function channelOf(tenant: string, selector: ViewSelector): string {
  const session = 'sessionId' in selector && selector.sessionId !== undefined ? `/${selector.sessionId}` : '';
  return `${tenant}/${selector.view}${session}`;
}

/** A key of the store as the views know it; undefined for what no view shows. */
export interface ViewKey {
  readonly tenant: string;
  readonly family:
    | 'agents'
    | 'agentLive'
    | 'sessions'
    | 'tasks'
    | 'attempts'
    | 'refs'
    | 'refusals'
    | 'approvals'
    | 'memory'
    | 'memoryConflicts'
    | 'servers';
  readonly sessionId: string;
  /** What follows the session, or the family where there is none. */
  readonly rest: string;
}

const FAMILIES: ReadonlySet<string> = new Set([
  'agents',
  'agentLive',
  'sessions',
  'tasks',
  'attempts',
  'refs',
  'refusals',
  'approvals',
  'memory',
  'memoryConflicts',
  'servers',
]);
const WITHOUT_SESSION: ReadonlySet<string> = new Set(['agents', 'agentLive', 'sessions', 'servers']);

export function parseViewKey(key: string): ViewKey | undefined {
  const tenantEnd = key.indexOf('/', 2);
  const familyEnd = key.indexOf('/', tenantEnd + 1);
  if (!key.startsWith('t/') || tenantEnd < 0 || familyEnd < 0) return undefined;
  const tenant = key.slice(2, tenantEnd);
  const family = key.slice(tenantEnd + 1, familyEnd);
  if (!FAMILIES.has(family)) return undefined;
  const tail = key.slice(familyEnd + 1);
  if (WITHOUT_SESSION.has(family)) {
    const sessionId = family === 'sessions' ? tail : '';
    return {tenant, family: family as ViewKey['family'], sessionId, rest: tail};
  }
  const cut = tail.indexOf('/');
  if (cut < 0) return undefined;
  return {
    tenant,
    family: family as ViewKey['family'],
    sessionId: tail.slice(0, cut),
    rest: tail.slice(cut + 1),
  };
}

/** The row that a key is, of those that belong to a session. */
export function sessionRow({
  family,
  sessionId,
  rest,
}: ViewKey): {readonly kind: Exclude<RowKind, 'agent' | 'server'>; readonly id: string} | undefined {
  switch (family) {
    case 'sessions':
      return {kind: 'session', id: rest};
    case 'tasks':
      return {kind: 'task', id: rest};
    case 'attempts':
      return {kind: 'attempt', id: storedAttemptId(sessionId, rest)};
    case 'refs':
      return {kind: 'ref', id: rest};
    case 'refusals':
      return {kind: 'refusal', id: rest};
    case 'approvals':
      return {kind: 'approval', id: `${sessionId}/${rest}`};
    case 'memory':
      return {kind: 'memory', id: rest};
    case 'memoryConflicts':
      return {kind: 'conflict', id: `${sessionId}/${rest}`};
    default:
      return undefined;
  }
}

/** The change of any row but an agent's, which is made of two records. `names` belongs to the caller and saves making names anew. */
export function plainChange(
  at: ViewKey,
  source: RowSource | undefined,
  names: SessionChannels = new SessionChannels(),
): RowChange | undefined {
  const {tenant, sessionId, rest} = at;
  switch (at.family) {
    case 'sessions':
      return new RowChange('session', rest, [`${tenant}/sessions`, ...names.of(at)], source);
    case 'tasks':
      return new RowChange('task', rest, names.of(at), source);
    case 'attempts':
      return new RowChange('attempt', () => storedAttemptId(sessionId, rest), names.of(at), source);
    case 'refs':
      return new RowChange('ref', rest, names.of(at), source);
    case 'refusals':
      return new RowChange('refusal', rest, names.of(at), source);
    case 'approvals': {
      const channels = [`${tenant}/approvals`, `${tenant}/approvals/${sessionId}`, ...names.of(at)];
      return new RowChange('approval', `${sessionId}/${rest}`, channels, waiting(source));
    }
    case 'memory':
      return new RowChange('memory', rest, [`${tenant}/memory/${sessionId}`], source);
    case 'memoryConflicts': {
      const channels = [`${tenant}/conflicts`, `${tenant}/memory/${sessionId}`];
      return new RowChange('conflict', `${sessionId}/${rest}`, channels, source);
    }
    case 'servers':
      return new RowChange('server', rest, [`${tenant}/servers`], source);
    default:
      return undefined;
  }
}

/** The channel of the session that was asked for last, since changes of one session come in rows. */
export class SessionChannels {
  private tenant = '';
  private sessionId = '';
  private channels: readonly string[] = [];

  of({tenant, sessionId}: ViewKey): readonly string[] {
    if (sessionId !== this.sessionId || tenant !== this.tenant) {
      this.tenant = tenant;
      this.sessionId = sessionId;
      this.channels = [`${tenant}/session/${sessionId}`];
    }
    return this.channels;
  }
}

export function agentChange(tenant: string, agentId: string, source: RowSource | undefined): RowChange {
  return new RowChange('agent', agentId, [`${tenant}/agents`], source);
}

/** Views show what waits for a person: what is answered leaves them. */
function waiting(source: RowSource | undefined): RowSource | undefined {
  if (!source) return undefined;
  try {
    const {state} = JSON.parse(source.value) as {state?: {kind?: unknown}};
    return state?.kind === 'waiting' ? source : undefined;
  } catch {
    // Left to the encoding, which reports what cannot be read.
    return source;
  }
}

function storedAttemptId(sessionId: string, rest: string): string {
  const cut = rest.lastIndexOf('/');
  return attemptId(sessionId, rest.slice(0, cut), Number(rest.slice(cut + 1)));
}

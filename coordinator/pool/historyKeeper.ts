/**
 * Counts what became of every attempt, once, whoever leads: a duty of the lead. Ends are taken from the store's watch, in order; the same
 * transaction counts them, moves the position and puts an agent into quarantine or out of it.
 */
import {boundedPut} from '../effects/recordSize.ts';
import type {Logger} from '../observability/logger.ts';
import {AgentRecord, type Quarantine} from '../protocol/model/agent.ts';
import {AgentHistoryPosition, AgentHistoryRecord} from '../protocol/model/agentHistory.ts';
import {AttemptRecord} from '../protocol/model/attempt.ts';
import {type TenantKeys, tenantKeys} from '../protocol/model/keys.ts';
import {parseRecord, RECORD_VERSION} from '../protocol/model/record.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import {canonicalJson} from '../runtime/json.ts';
import type {AuditLog} from '../security/audit.ts';
import {absent, putRecord, readRecord, type Stored, unchanged} from '../store/records.ts';
import type {Compare, Op, Store, StoreEvent, Txn, WatchMessage} from '../store/store.ts';
import {emptyHistory, withAttempt} from './agentHistory.ts';
import {
  afterOutcome,
  outcomeOf,
  QUARANTINE_SETTINGS,
  type QuarantineSettings,
  quarantineAt,
} from './quarantine.ts';

export interface HistoryKeeperOptions {
  readonly store: Store;
  readonly tenant: string;
  readonly coordinatorId: string;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings?: Partial<QuarantineSettings>;
  /** Ends are gathered for so long, in ms. */
  readonly gatherMs?: number;
}

const GATHER_MS = 500;
const RETRY_MS = 2000;
/** Agents in one transaction. */
const AGENTS_PER_TXN = 24;

interface Ended {
  readonly revision: number;
  readonly attempts: readonly AttemptRecord[];
}

interface Tally {
  readonly history: AgentHistoryRecord;
  readonly stored: Stored<AgentHistoryRecord> | undefined;
  readonly agent: Stored<AgentRecord> | undefined;
  readonly quarantine: Quarantine | undefined;
}

export class HistoryKeeper {
  private readonly keys: TenantKeys;
  private readonly settings: QuarantineSettings;
  private lostTrack = false;
  private term: {readonly fence: Compare; readonly over: AbortController} | undefined;
  private watching: Disposable = noDisposable;
  private ended: Ended[] = [];
  private wake: () => void = () => undefined;

  constructor(private readonly options: HistoryKeeperOptions) {
    this.keys = tenantKeys(options.tenant);
    this.settings = {...QUARANTINE_SETTINGS, ...options.settings};
  }

  /** `fence` holds while this coordinator leads. */
  begin(fence: Compare): void {
    this.end();
    const term = {fence, over: new AbortController()};
    this.term = term;
    void this.keep(term.fence, term.over.signal);
  }

  end(): void {
    this.term?.over.abort();
    this.term = undefined;
    this.watching.dispose();
    this.ended = [];
  }

  private async keep(fence: Compare, over: AbortSignal): Promise<void> {
    const {clock, logger, gatherMs = GATHER_MS} = this.options;
    while (!over.aborted) {
      try {
        await this.follow(fence, over);
        for (;;) {
          await this.somethingEnded(over);
          await delay(clock, gatherMs, over);
          while (this.ended.length > 0) if (!(await this.count(fence))) break;
        }
      } catch (error) {
        if (over.aborted || isCoordinatorError(error, 'closed')) return;
        logger.warn('the history of agents is not kept yet', {error});
        await delay(clock, RETRY_MS, over).catch(() => undefined);
      }
    }
  }

  /** Begins behind what is counted; where nothing is known, or the store has forgotten it, with now. */
  private async follow(fence: Compare, over: AbortSignal): Promise<void> {
    const {store} = this.options;
    this.watching.dispose();
    this.ended = [];
    const position = await readRecord(store, AgentHistoryPosition, this.keys.agentHistoryPosition);
    const {incarnation, revision, compactRevision} = store.status();
    const known =
      position?.value.store === incarnation && position.value.revision >= compactRevision && !this.lostTrack
        ? position
        : undefined;
    this.lostTrack = false;
    if (over.aborted) return;
    if (!known) await this.startAt(revision, fence);
    const from = (known?.value.revision ?? revision) + 1;
    this.watching = store.watch(this.keys.allAttempts, {fromRevision: from}, message => this.take(message));
  }

  private async startAt(revision: number, fence: Compare): Promise<void> {
    const {store} = this.options;
    await store.txn({compare: [fence], then: [this.positionOp(revision)]});
  }

  private take(message: WatchMessage): void {
    if (message.kind === 'events') {
      const attempts = message.events.flatMap(event => endedBy(event) ?? []);
      if (attempts.length === 0) return;
      this.ended.push({revision: message.revision, attempts});
    } else if (message.kind === 'compacted') this.ended = [LOST_TRACK];
    this.wake();
  }

  private somethingEnded(over: AbortSignal): Promise<void> {
    if (this.ended.length > 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(over.reason);
      over.addEventListener('abort', stop, {once: true});
      this.wake = () => {
        over.removeEventListener('abort', stop);
        resolve();
      };
    });
  }

  /** Counts the oldest ends; false when somebody else was faster and the same is to be tried again. */
  private async count(fence: Compare): Promise<boolean> {
    const batch = this.nextBatch();
    const last = batch.at(-1);
    if (!last) return false;
    if (last === LOST_TRACK) {
      this.lostTrack = true;
      throw new CoordinatorError(
        'unavailable',
        'the store has forgotten how some attempts ended; they are not counted',
      );
    }
    const byAgent = new Map<string, AttemptRecord[]>();
    for (const attempt of batch.flatMap(({attempts}) => attempts))
      byAgent.set(attempt.agentId, [...(byAgent.get(attempt.agentId) ?? []), attempt]);
    const tallies: Tally[] = [];
    for (const [agentId, attempts] of byAgent) tallies.push(await this.tally(agentId, attempts));
    if (!(await this.commit(tallies, last.revision, fence))) return false;
    this.ended.splice(0, batch.length);
    return true;
  }

  private nextBatch(): Ended[] {
    const agents = new Set<string>();
    const batch: Ended[] = [];
    for (const ended of this.ended) {
      for (const {agentId} of ended.attempts) agents.add(agentId);
      if (agents.size > AGENTS_PER_TXN && batch.length > 0) break;
      batch.push(ended);
    }
    return batch;
  }

  private async tally(agentId: string, attempts: readonly AttemptRecord[]): Promise<Tally> {
    const {store, coordinatorId} = this.options;
    const stored = await readRecord(store, AgentHistoryRecord, this.keys.agentHistory(agentId));
    const agent = await readRecord(store, AgentRecord, this.keys.agent(agentId));
    let history = stored?.value ?? emptyHistory(agentId, `coordinator:${coordinatorId}`);
    let quarantine = agent?.value.quarantine;
    const {releasedAt = 0} = agent?.value ?? {};
    history = {...history, recent: history.recent.filter(({at}) => at > releasedAt)};
    for (const attempt of attempts) {
      history = withAttempt(history, attempt, this.settings);
      const at = attempt.endedAt ?? attempt.assignedAt;
      if (at <= releasedAt || !outcomeOf(attempt.outcome, attempt.failure, at)) continue;
      const before = quarantineAt(quarantine, at);
      quarantine = afterOutcome(before, history.recent, this.settings);
      // What has led somewhere is not counted again.
      if (quarantine?.kind !== before?.kind) history = {...history, recent: []};
    }
    return {history, stored, agent, quarantine};
  }

  private async commit(tallies: readonly Tally[], revision: number, fence: Compare): Promise<boolean> {
    const {store, audit, coordinatorId, tenant, logger} = this.options;
    const compare: Compare[] = [fence];
    const then: Op[] = [this.positionOp(revision)];
    const moved: Tally[] = [];
    for (const tally of tallies) {
      const {history, stored, agent, quarantine} = tally;
      const key = this.keys.agentHistory(history.agentId);
      compare.push(stored ? unchanged(stored) : absent(key));
      then.push(boundedPut(key, history));
      if (!agent || isSame(agent.value.quarantine, quarantine)) continue;
      compare.push(unchanged(agent));
      then.push(putRecord(agent.key, {...agent.value, quarantine}));
      moved.push(tally);
    }
    const txn: Txn = {compare, then};
    if (moved.length === 0) return (await store.txn(txn)).succeeded;
    const subjects = moved.map(({history}) => history.agentId);
    const detail = moved.map(({quarantine}) => quarantine?.reason ?? 'proved itself');
    const {succeeded} = await audit.auditedTxn(txn, {
      action: 'agent.quarantine',
      subject: `agent ${subjects.join(', ')}`.slice(0, 256),
      detail,
      principal: {id: `coordinator:${coordinatorId}`, tenant, role: 'coordinator'},
      refusals: false,
    });
    if (succeeded)
      for (const {history, quarantine} of moved)
        logger.warn('the standing of an agent changed', {
          agentId: history.agentId,
          now: quarantine?.kind ?? 'all of its slots',
          reason: quarantine?.reason,
        });
    return succeeded;
  }

  private positionOp(revision: number): Op {
    const {store, coordinatorId} = this.options;
    const position: AgentHistoryPosition = {
      v: RECORD_VERSION,
      principal: `coordinator:${coordinatorId}`,
      store: store.status().incarnation,
      revision,
    };
    return putRecord(this.keys.agentHistoryPosition, position);
  }
}

const LOST_TRACK: Ended = {revision: 0, attempts: []};

function endedBy({kind, key, kv, previous}: StoreEvent): AttemptRecord | undefined {
  if (kind === 'delete') return undefined;
  const now = parseRecord(AttemptRecord, key, kv.value);
  if (now.state !== 'ended') return undefined;
  // Its usage may grow after its end.
  const before = previous && parseRecord(AttemptRecord, key, previous.value);
  return before?.state === 'ended' ? undefined : now;
}

function isSame(a: Quarantine | undefined, b: Quarantine | undefined): boolean {
  return canonicalJson(a ?? null) === canonicalJson(b ?? null);
}

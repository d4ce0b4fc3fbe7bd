/** What the parts of one term of leadership share. A term ends for good; the next one starts from the store. */
import type {Logger} from '../../observability/logger.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {HubClock} from '../../runtime/hubClock.ts';
import type {JsonValue} from '../../runtime/json.ts';
import type {Random} from '../../runtime/random.ts';
import type {Store, Txn, TxnResult} from '../../store/store.ts';
import type {AgentChannel} from '../agentChannel.ts';
import type {Fleet, SessionNode} from '../fleet/fleet.ts';
import type {Advisers} from '../placing/advisers.ts';
import type {Now, Scheduler} from '../placing/scheduler.ts';
import type {ReadyQueue} from '../queue/readyQueue.ts';
import type {LeadPolicy, LeadSettings} from '../settings.ts';
import type {Allotments} from '../spending/allotments.ts';
import type {Budgets} from '../spending/budgets.ts';
import type {Committer} from '../steps/committer.ts';

/** What an audit record says about a decision. */
export interface AuditEntry {
  readonly tenant: string;
  readonly principal: string;
  readonly action: string;
  readonly subject: string;
  readonly detail?: {readonly [key: string]: JsonValue};
}

/** Commits `txn` with the audit record of `entry` in it. Errors as those of `Store.txn`. */
export type AuditedTxn = (txn: Txn, entry: AuditEntry) => Promise<TxnResult>;

/** Where plans are kept, by content. */
export interface PlanStore {
  /** Resolves once `json` is durable, to its SHA-256. */
  put(tenant: string, json: string): Promise<string>;
  /** Rejects with `notFound` when there is none. */
  get(tenant: string, sha256: string): Promise<string>;
}

/** A commit of the same files on top of other commits. */
export interface Graft {
  readonly tree: string;
  readonly parents: readonly string[];
  /** A commit with that tree, which the receiver has. */
  readonly holder: string;
  readonly message: string;
  /** Wall time in ms: with all of this the same, so is the commit. */
  readonly at: number;
}

/** The artifacts of results, as far as the lead looks after them. */
export interface ResultArtifacts {
  has(tenant: string, sha256: string): Promise<boolean>;
  /** Resolves once the bundle is durable. */
  graft(tenant: string, graft: Graft): Promise<CommitBundle>;
}

export interface Term {
  readonly store: Store;
  readonly incarnation: string;
  readonly committer: Committer;
  readonly channel: AgentChannel;
  readonly plans: PlanStore;
  readonly results: ResultArtifacts;
  readonly auditedTxn: AuditedTxn;
  readonly fleet: Fleet;
  readonly queue: ReadyQueue;
  readonly scheduler: Scheduler;
  readonly advisers: Advisers;
  readonly budgets: Budgets;
  readonly allotments: Allotments;
  readonly hub: HubClock;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly settings: LeadSettings;
  readonly policy: LeadPolicy;
  readonly coordinator: string;
  /** Writes the lead's records. */
  readonly principal: string;
  /** Aborted when the term ends. */
  readonly signal: AbortSignal;
  /** Gives the lead up: its state and the store's have parted. */
  depose(reason: string): void;
  /**
   * A fault of ours: the lead starts over from the store. A session that faults again after that is set aside, so that it does not keep the
   * others from running.
   */
  faulted(what: string, error: unknown, session?: SessionNode): void;
}

/** Runs what must not throw into a timer, a microtask or a callback: a fault there would end the process. */
export function guarded(
  term: Pick<Term, 'faulted'>,
  what: string,
  run: () => void,
  session?: SessionNode,
): void {
  try {
    run();
  } catch (error) {
    term.faulted(what, error, session);
  }
}

export function nowOf(term: Pick<Term, 'hub' | 'clock'>): Now {
  return {hub: term.hub.now(), wall: term.clock.wallNow()};
}

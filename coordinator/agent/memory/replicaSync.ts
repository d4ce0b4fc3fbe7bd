/** Brings the replicas of sessions up to date: what was written here goes to the hub in order, each write once, and what others wrote comes back. */
import type {Logger} from '../../observability/logger.ts';
import {MAX_SYNC_WRITES, type OfflineWrite, type StateSynced} from '../../protocol/commands/memory.ts';
import type {WriteOutcome} from '../../protocol/model/memory.ts';
import type {ElapsedClock} from '../../runtime/elapsedClock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {type AgentLink, PATIENT_FAULTS} from '../link/agentLink.ts';
import type {SessionReplica} from './sessionReplica.ts';
import type {WriteLog} from './writeLog.ts';

export interface ReplicaSyncOptions {
  readonly log: Pick<WriteLog, 'remove'>;
  readonly link: Pick<AgentLink, 'deliver'>;
  readonly logger: Logger;
  readonly elapsed: ElapsedClock;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
  /** The hub has said what became of a write. */
  onOutcome(sessionId: string, write: OfflineWrite, outcome: WriteOutcome): void;
  /** The session has ended, and nothing of it waits. */
  onEnded(replica: SessionReplica): void;
}

const MAX_SYNC_BYTES = 1024 * 1024;

export class ReplicaSync {
  private readonly running = new Map<string, Promise<void>>();

  constructor(private readonly options: ReplicaSyncOptions) {}

  /** Its failure is logged where it happens; the next occasion tries again. */
  soon(replica: SessionReplica): void {
    this.begin(replica).catch(() => undefined);
  }

  /** Resolves when everything written before this call has been answered. Rejects when the hub is away or refuses. */
  async whole(replica: SessionReplica): Promise<void> {
    // What is under way may have begun before the last write.
    await this.running.get(replica.sessionId)?.catch(() => undefined);
    await this.begin(replica);
  }

  /** One sync of a session at a time; who comes meanwhile waits for that one. */
  private begin(replica: SessionReplica): Promise<void> {
    const {sessionId} = replica;
    const running = this.running.get(sessionId);
    if (running) return running;
    const sync = this.run(replica).finally(() => this.running.delete(sessionId));
    this.running.set(sessionId, sync);
    // What came while the last answer was taken has been told that a sync is under way.
    sync.then(
      () => {
        if (replica.pending.length > 0) this.soon(replica);
      },
      () => undefined,
    );
    return sync;
  }

  private async run(replica: SessionReplica): Promise<void> {
    const {elapsed, log, onEnded} = this.options;
    for (let goOn = true; goOn; ) {
      const writes = batch(replica.pending);
      const askedAt = elapsed.now();
      const answer = await this.ask(replica, writes);
      this.take(replica, writes, answer);
      replica.apply(answer, askedAt);
      for (const write of writes) log.remove(write);
      goOn = answer.more || replica.pending.length > 0;
      if (answer.ended && replica.pending.length === 0) onEnded(replica);
    }
  }

  private async ask({sessionId, have}: SessionReplica, writes: OfflineWrite[]): Promise<StateSynced> {
    const {link, logger, signal} = this.options;
    try {
      return await link.deliver(
        'mcpx.coordinate.state.sync',
        {sessionId, replica: {have, writes}},
        {signal, maxFaults: PATIENT_FAULTS},
      );
    } catch (error) {
      if (!signal.aborted && !isCoordinatorError(error, 'closed'))
        logger.warn('shared memory is not in sync; what was written here is kept', {sessionId, error});
      throw error;
    }
  }

  private take(replica: SessionReplica, writes: readonly OfflineWrite[], {outcomes}: StateSynced): void {
    const {sessionId} = replica;
    replica.settle(writes);
    for (const [at, write] of writes.entries()) {
      const outcome = outcomes[at] ?? {kind: 'refused', reason: 'the hub did not say what became of it'};
      if (outcome.kind === 'refused' || outcome.kind === 'quarantined' || outcome.kind === 'conflict')
        this.options.logger.warn('a memory write did not become the value of its key', {
          ...{sessionId, key: write.key, attemptId: write.fence.attempt},
          outcome,
        });
      this.options.onOutcome(sessionId, write, outcome);
    }
  }
}

/** As many as a message takes, the first in any case. */
function batch(pending: readonly OfflineWrite[]): OfflineWrite[] {
  const writes: OfflineWrite[] = [];
  let bytes = 0;
  for (const write of pending) {
    bytes += JSON.stringify(write).length;
    if (writes.length > 0 && (writes.length >= MAX_SYNC_WRITES || bytes > MAX_SYNC_BYTES)) break;
    writes.push(write);
  }
  return writes;
}

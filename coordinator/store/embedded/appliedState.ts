/**
 * What the log has come to here: the state machine, the last entry that it took, and what may leave memory for that. When a batch is applied or a
 * snapshot installed is the replica's to say.
 */
import type {Entry, Position, SnapshotMark} from '../../raft/types.ts';
import {assert} from '../../runtime/assert.ts';
import type {StateMachine} from '../stateMachine.ts';
import {LogWindow} from './logWindow.ts';
import type {Proposer} from './proposer.ts';
import type {ReplicaListener, ReplicaParts} from './replicaParts.ts';

export class AppliedState {
  private readonly window: LogWindow;
  private current: StateMachine;
  private last: Position;
  private appliedBytes = 0;

  constructor(
    private readonly parts: ReplicaParts,
    start: Position,
    private readonly proposer: Proposer,
    private readonly listener: Pick<ReplicaListener, 'applied' | 'batchApplied' | 'restored'>,
  ) {
    this.current = parts.machine;
    this.last = start;
    this.window = new LogWindow(parts.settings.followerLagBytes);
  }

  /** Another one after a snapshot was installed. */
  get machine(): StateMachine {
    return this.current;
  }

  /** The last entry that is applied. */
  get position(): Position {
    return this.last;
  }

  /** Of commands, by this process. */
  get bytes(): number {
    return this.appliedBytes;
  }

  apply(entries: readonly Entry[]): void {
    let bytes = 0;
    for (const entry of entries) {
      if (entry.kind === 'command') this.applyCommand(entry);
      bytes += entry.data.length;
    }
    this.appliedBytes += bytes;
    const last = entries.at(-1);
    assert(last, 'a batch has entries');
    this.last = {index: last.index, term: last.term};
    this.parts.raft.appliedTo(last.index);
    this.window.grow(last.index, bytes);
    this.compact();
    this.listener.batchApplied();
  }

  private applyCommand(entry: Entry): void {
    const proposed = this.proposer.proposedAt(entry);
    const outcome = this.current.applyProposal(proposed);
    if (outcome.kind === 'repeated') return;
    this.listener.applied(proposed.command, outcome);
    this.proposer.applied(proposed, outcome);
  }

  /** The snapshot, which has arrived whole, takes the place of state and log. */
  async install(mark: SnapshotMark): Promise<void> {
    const {log, snapshots, received, logger} = this.parts;
    const file = received.take(mark);
    await log.restartAfter(mark);
    const {machine} = await snapshots.install(file);
    await log.deleteTo(snapshots.coveredIndex);
    this.current = machine;
    this.last = {index: mark.index, term: mark.term};
    logger.info('installed a snapshot of the leader', {index: mark.index});
    this.proposer.restored(machine);
    this.listener.restored();
  }

  /** Entries in memory go once a snapshot has them, and no follower that keeps up within the limit lacks them. */
  private compact(): void {
    const {raft, transport, snapshots} = this.parts;
    if (!transport) {
      raft.compactTo(raft.applied);
      return;
    }
    const to = Math.min(raft.applied, snapshots.newest?.mark.index ?? 0);
    if (to === 0) return;
    const followers = raft.role === 'leader' ? raft.status().progress.values() : [];
    raft.compactTo(this.window.endOfUnneeded(to, followers));
  }
}

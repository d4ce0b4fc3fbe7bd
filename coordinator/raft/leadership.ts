/** What a node has only while it leads: the others' progress, reads that wait, a transfer that goes on. */
import {Progress, type Window} from './progress.ts';

/** A read that waits for a round of heartbeats to be answered by a majority. */
export interface WaitingRead {
  readonly context: string;
  /** The member that asked; undefined for this node. */
  readonly from: string | undefined;
}

export interface PendingRead extends WaitingRead {
  readonly index: number;
  readonly round: number;
}

export interface Transfer {
  readonly to: string;
  /** Ticks since it began. */
  elapsed: number;
  /** The target was told to campaign. */
  told: boolean;
}

export class Leadership {
  readonly progress = new Map<string, Progress>();
  /** Ticks since the lead began. */
  ticks = 0;
  sinceHeartbeat = 0;
  sinceQuorum = 0;
  /** The last round of heartbeats that began. */
  round = 0;
  /** Reads came in after the last round began. */
  roundDue = false;
  /** Reads from before anything of this term is committed. */
  early: WaitingRead[] = [];
  /** In order of rounds. */
  reads: PendingRead[] = [];
  /** When rounds began that no majority has answered, oldest first; the last one of each tick. */
  rounds: {round: number; readonly tick: number}[] = [];
  /** When the last round began that a majority has answered. */
  confirmedTick = Number.NEGATIVE_INFINITY;
  transfer: Transfer | undefined;
  /** Somebody was told to campaign, which may happen at any time: nothing can be concluded from the followers' patience. */
  leaseBroken = false;
  uncommittedBytes = 0;

  constructor(
    /** The last entry that may change the configuration; no other change before it is applied. */
    public pendingChange: number,
    /** Whoever knows this entry to be committed has the configuration that is in force. */
    public inForce: number,
    private readonly window: Window,
  ) {}

  /** Remembers when the round of now began; of those without an answer only the last ones matter. */
  noteRound(most: number): void {
    const {round, ticks: tick, rounds} = this;
    const last = rounds.at(-1);
    if (last?.tick === tick) last.round = round;
    else rounds.push({round, tick});
    if (rounds.length > most) rounds.shift();
  }

  /** The entry `index` has put another configuration in force. */
  configurationChanged(index: number): void {
    this.inForce = index;
    for (const progress of this.progress.values()) progress.configurationChanged(index);
  }

  /** Follows who is a member now. Newcomers get what follows `last` once it is known what they lack. */
  setMembers(others: readonly string[], last: number): void {
    for (const id of this.progress.keys()) if (!others.includes(id)) this.progress.delete(id);
    for (const id of others)
      if (!this.progress.has(id)) this.progress.set(id, new Progress(last + 1, this.window));
  }
}

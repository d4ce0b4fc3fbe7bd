/** Linearizable reads: all of a turn share one read index, and go on once the state has come that far (§6.4 of the Raft dissertation). */
import type {RaftNode} from '../../raft/raftNode.ts';
import type {ReadState} from '../../raft/types.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';

interface Batch {
  readonly done: Deferred<void>;
  readonly since: number;
  /** The same moment, by the clock of ages. */
  readonly askedAt: number;
}

interface Confirmed extends Batch {
  readonly index: number;
}

export class StrongReads {
  /** Gathered in this turn, or without a leader to ask. */
  private gathering: Batch | undefined;
  private readonly asked = new Map<string, Batch>();
  private confirmed: Confirmed[] = [];
  private shown = Number.NEGATIVE_INFINITY;

  constructor(private readonly raft: RaftNode) {}

  /** The state shows everything that was acknowledged anywhere at this moment, by the clock of ages. */
  get shownAt(): number {
    return this.shown;
  }

  /** Resolves once the state is at least as new as the moment of the call. `isFirst`: somebody must call `ask` at the end of the turn. */
  join(now: number, askedAt: number): {readonly done: Promise<void>; readonly isFirst: boolean} {
    const isFirst = this.gathering === undefined;
    this.gathering ??= {done: deferred(), since: now, askedAt};
    return {done: this.gathering.done.promise, isFirst};
  }

  /** At the end of a turn, and whenever there may be a leader. */
  ask(): void {
    const {gathering} = this;
    if (!gathering) return;
    const outcome = this.raft.read();
    if (outcome.kind === 'dropped') return;
    this.gathering = undefined;
    this.asked.set(outcome.context, gathering);
  }

  answered(state: ReadState): void {
    const batch = this.asked.get(state.context);
    if (!batch) return;
    this.asked.delete(state.context);
    if (state.kind === 'ready') this.confirmed.push({...batch, index: state.index});
    else if (this.gathering) this.gathering.done.promise.then(batch.done.resolve, batch.done.reject);
    else this.gathering = batch;
  }

  applied(index: number): void {
    if (this.confirmed.length === 0) return;
    for (const batch of this.confirmed) {
      if (batch.index > index) continue;
      this.shown = Math.max(this.shown, batch.askedAt);
      batch.done.resolve();
    }
    this.confirmed = this.confirmed.filter(batch => batch.index > index);
  }

  /** Rejects those that began before `time`. */
  reject(time: number, error: () => Error): void {
    const isOld = (batch: Batch): boolean => batch.since < time;
    if (this.gathering && isOld(this.gathering)) {
      this.gathering.done.reject(error());
      this.gathering = undefined;
    }
    for (const [context, batch] of this.asked) {
      if (!isOld(batch)) continue;
      this.asked.delete(context);
      batch.done.reject(error());
    }
    for (const batch of this.confirmed) if (isOld(batch)) batch.done.reject(error());
    this.confirmed = this.confirmed.filter(batch => !isOld(batch));
  }
}

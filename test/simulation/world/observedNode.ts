/** The product's Raft node, which tells an observer what its driver asks of it and tells it, at the very moment. */
import type {Message} from '../../../coordinator/raft/messages.ts';
import {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import type {Entry, RaftConfig, Ready} from '../../../coordinator/raft/types.ts';

/** Hears of every step; it must not throw. */
export interface NodeObserver {
  handedOut(node: RaftNode, ready: Ready): void;
  /** Before anything that follows from it leaves the node. */
  persisted(node: RaftNode, ready: Ready): void;
  abandoned(node: RaftNode, ready: Ready): void;
  /** The driver has applied these. */
  applied(node: RaftNode, entries: readonly Entry[]): void;
  /** Anything may have changed. */
  stepped(node: RaftNode): void;
}

export class ObservedNode extends RaftNode {
  private handed: readonly Entry[] = [];

  constructor(
    config: RaftConfig,
    private readonly observer: NodeObserver,
  ) {
    super(config);
  }

  override tick(): void {
    super.tick();
    this.observer.stepped(this);
  }

  override step(message: Message): void {
    super.step(message);
    this.observer.stepped(this);
  }

  override ready(): Ready {
    const ready = super.ready();
    if (ready.committed.length > 0) this.handed = ready.committed;
    this.observer.handedOut(this, ready);
    return ready;
  }

  override persisted(ready: Ready): void {
    this.observer.persisted(this, ready);
    super.persisted(ready);
    this.observer.stepped(this);
  }

  override appliedTo(index: number): void {
    const entries = this.handed.filter(entry => entry.index <= index);
    this.handed = this.handed.filter(entry => entry.index > index);
    this.observer.applied(this, entries);
    super.appliedTo(index);
    this.observer.stepped(this);
  }

  override abandon(ready: Ready): void {
    super.abandon(ready);
    this.observer.abandoned(this, ready);
    this.observer.stepped(this);
  }
}

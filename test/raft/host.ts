/** A driver of one Raft node with a disk that survives crashes: one write and one application at a time, each of which takes its time. */
import assert from 'node:assert/strict';
import {NO_CONFIGURATION} from '../../coordinator/raft/configuration.ts';
import type {Message} from '../../coordinator/raft/messages.ts';
import {RaftNode} from '../../coordinator/raft/raftNode.ts';
import {
  type Configuration,
  type Entry,
  type HardState,
  NO_HARD_STATE,
  type RaftConfig,
  type ReadState,
  type Ready,
  type SnapshotMark,
  type SnapshotRequest,
} from '../../coordinator/raft/types.ts';

/** A state machine that is nothing but a digest of what was applied. */
export interface State {
  readonly index: number;
  readonly digest: number;
}

export interface Snapshot {
  readonly mark: SnapshotMark;
  readonly state: State;
}

const EMPTY: State = {index: 0, digest: 0};

export const textOf = (entry: Entry): string =>
  `${entry.term}/${entry.kind}/${Buffer.from(entry.data).toString()}`;

export class Host {
  /** Undefined while it is down. */
  node: RaftNode | undefined;
  hardState: HardState = NO_HARD_STATE;
  snapshot: Snapshot;
  /** Behind the snapshot. */
  log: Entry[] = [];
  state: State = EMPTY;
  /** Handed out, and not yet carried out. */
  write: Ready | undefined;
  applying: readonly Entry[] | undefined;
  reads: ReadState[] = [];
  requests: SnapshotRequest[] = [];
  /** Came with `installSnapshot` messages and are not installed yet. */
  private received: Snapshot[] = [];

  constructor(
    readonly id: string,
    first: Configuration = NO_CONFIGURATION,
    private readonly settings: Omit<RaftConfig, 'id' | 'start'> = {},
  ) {
    this.snapshot = {mark: {index: 0, term: 0, configuration: first}, state: EMPTY};
  }

  start(): RaftNode {
    this.node = new RaftNode({
      ...this.settings,
      id: this.id,
      hardState: this.hardState,
      start: this.snapshot.mark,
      entries: this.log,
    });
    this.state = this.snapshot.state;
    return this.node;
  }

  /** Power off. Of a write that is going on, `written` entries and everything before them are on disk; -1 for nothing at all. */
  crash(written = -1): void {
    if (this.write && written >= 0)
      this.persist({...this.write, entries: this.write.entries.slice(0, written)});
    this.node = undefined;
    this.write = undefined;
    this.applying = undefined;
    this.reads = [];
    this.requests = [];
    this.received = [];
  }

  /** Takes what there is to do; returns what to send. */
  take(): readonly Message[] {
    if (!this.node?.hasReady) return [];
    const ready = this.node.ready();
    if (ready.hardState) {
      assert.equal(this.write, undefined, 'one write at a time');
      this.write = ready;
    }
    if (ready.committed.length > 0) {
      assert.equal(this.applying, undefined, 'one application at a time');
      this.applying = ready.committed;
    }
    this.reads.push(...ready.reads);
    this.requests.push(...ready.snapshots);
    return ready.messages;
  }

  finishWrite(): void {
    const {node, write} = this;
    assert.ok(node && write);
    this.write = undefined;
    this.persist(write);
    if (write.snapshot) this.state = this.snapshot.state;
    node.persisted(write);
  }

  /** The write fails, and nothing of it is on disk. */
  failWrite(): void {
    const {node, write} = this;
    assert.ok(node && write);
    this.write = undefined;
    node.abandon(write);
  }

  finishApply(applied: (entry: Entry, state: State) => void): void {
    const {node, applying} = this;
    assert.ok(node && applying);
    this.applying = undefined;
    for (const entry of applying) {
      assert.equal(entry.index, this.state.index + 1, 'entries are applied in order, once');
      this.state = {index: entry.index, digest: digestOf(this.state.digest, textOf(entry))};
      applied(entry, this.state);
    }
    node.appliedTo(this.state.index);
  }

  /** Writes a snapshot of what is applied and drops the log up to it. */
  compact(): void {
    const {node, state, log} = this;
    // The snapshot of a leader is being installed: the state is about to be replaced.
    if (!node || state.index === this.snapshot.mark.index || this.write?.snapshot || node.installing) return;
    const last = log[state.index - this.snapshot.mark.index - 1];
    assert.ok(last);
    const mark = {index: last.index, term: last.term, configuration: node.configuration};
    this.log = log.filter(entry => entry.index > last.index);
    this.snapshot = {mark, state};
    node.compactTo(mark.index);
  }

  receive(message: Message, snapshot?: Snapshot): void {
    const {node} = this;
    if (!node) return;
    node.step(message);
    if (snapshot && node.installing === snapshot.mark) this.received.push(snapshot);
  }

  /** Term of an entry on disk. */
  termOnDisk(index: number): number | undefined {
    const {mark} = this.snapshot;
    return index === mark.index ? mark.term : this.log[index - mark.index - 1]?.term;
  }

  private persist({snapshot, hardState, entries}: Ready): void {
    if (snapshot) {
      const received = this.received.find(({mark}) => mark === snapshot);
      assert.ok(received, 'installs what was received');
      this.received = this.received.slice(this.received.indexOf(received) + 1);
      this.snapshot = received;
      this.log = [];
    }
    if (hardState) {
      assert.ok(hardState.term >= this.hardState.term, 'terms only grow');
      if (hardState.term === this.hardState.term && this.hardState.vote !== '')
        assert.equal(hardState.vote, this.hardState.vote, 'one vote a term');
      this.hardState = hardState;
    }
    for (const entry of entries) {
      const keep = entry.index - this.snapshot.mark.index - 1;
      // An entry that a snapshot taken meanwhile covers is there already.
      if (keep < 0) continue;
      assert.ok(keep <= this.log.length, 'no gap on disk');
      this.log.length = keep;
      this.log.push(entry);
    }
  }
}

/** FNV-1a, continued. */
function digestOf(start: number, text: string): number {
  let digest = start ^ 0x811c9dc5;
  for (let at = 0; at < text.length; at++) digest = Math.imul(digest ^ text.charCodeAt(at), 0x01000193);
  return digest >>> 0;
}

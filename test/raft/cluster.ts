/** Several Raft nodes on a bad network with disks that survive their crashes; checks Raft's invariants after every step. */
import assert from 'node:assert/strict';
import {majority} from '../../coordinator/raft/quorum.ts';
import {RaftNode} from '../../coordinator/raft/raftNode.ts';
import {
  type Entry,
  type HardState,
  type Message,
  NO_HARD_STATE,
  type Ready,
} from '../../coordinator/raft/types.ts';
import type {Random} from '../../coordinator/runtime/random.ts';

interface Host {
  readonly id: string;
  /** Undefined while it is down. */
  node: RaftNode | undefined;
  hardState: HardState;
  log: Entry[];
  applied: string[];
  /** Given out and not yet carried out. */
  ready: Ready | undefined;
}

const textOf = (entry: Entry): string => `${entry.term}/${entry.kind}/${Buffer.from(entry.data).toString()}`;

export class Cluster {
  readonly hosts: Host[];
  private mail: Message[] = [];
  /** Directed pairs `a>b` that lose everything. */
  readonly cut = new Set<string>();
  loss = 0;
  repeat = 0;
  private readonly leaders = new Map<number, string>();
  /** What was ever applied at each index, by anyone. */
  readonly history: string[] = [];
  private proposals = 0;

  constructor(
    size: number,
    readonly random: Random,
    private readonly maxReadyBytes = 1000,
  ) {
    const ids = Array.from({length: size}, (_, n) => `n${n}`);
    this.hosts = ids.map(id => ({
      id,
      node: undefined,
      hardState: NO_HARD_STATE,
      log: [],
      applied: [],
      ready: undefined,
    }));
    for (const host of this.hosts) this.start(host);
  }

  get ids(): string[] {
    return this.hosts.map(host => host.id);
  }

  start(host: Host): void {
    host.node = new RaftNode({
      id: host.id,
      voters: this.ids,
      hardState: host.hardState,
      entries: host.log,
      random: this.random,
      maxReadyBytes: this.maxReadyBytes,
      maxInFlight: 4,
    });
    host.applied = [];
    host.ready = undefined;
  }

  /** Power off: what was handed out may be on disk, but nothing of it was sent. */
  crash(host: Host): void {
    if (host.ready && this.random.next() < 0.5) this.persist(host, host.ready);
    host.node = undefined;
    host.ready = undefined;
  }

  leader(): Host | undefined {
    const leaders = this.hosts.filter(host => host.node?.role === 'leader');
    return leaders.sort((a, b) => (b.node?.currentTerm ?? 0) - (a.node?.currentTerm ?? 0))[0];
  }

  propose(host: Host): void {
    this.proposals += 1;
    host.node?.propose(Buffer.from(`p${this.proposals}`.padEnd(Math.floor(this.random.next() * 300), '.')));
  }

  /** One thing happens somewhere, by chance. */
  step(): void {
    const host = this.pick(this.hosts);
    const node = host.node;
    const chance = this.random.next();
    if (chance < 0.1) node?.tick();
    else if (chance < 0.5) this.deliver();
    else if (host.ready) this.carryOut(host);
    else if (node?.hasReady) host.ready = node.ready();
    this.check();
  }

  /** Ticks everyone, with everything delivered and carried out in between. */
  round(): void {
    for (const host of this.hosts) host.node?.tick();
    let turns = 0;
    for (let busy = true; busy; turns++) {
      assert.ok(turns < 1000, 'the network does not come to rest between two ticks');
      busy = this.mail.length > 0;
      for (let left = this.mail.length; left > 0; left--) this.deliver();
      for (const host of this.hosts) {
        if (!host.ready && host.node?.hasReady) host.ready = host.node.ready();
        if (!host.ready) continue;
        this.carryOut(host);
        busy = true;
      }
      this.check();
    }
  }

  private pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.random.next() * items.length)];
    assert.ok(item !== undefined);
    return item;
  }

  private deliver(): void {
    if (this.mail.length === 0) return;
    const at = Math.floor(this.random.next() * this.mail.length);
    const message = this.mail[at];
    assert.ok(message);
    if (this.random.next() >= this.repeat) this.mail.splice(at, 1);
    if (this.cut.has(`${message.from}>${message.to}`) || this.random.next() < this.loss) return;
    this.hosts.find(host => host.id === message.to)?.node?.step(message);
  }

  private carryOut(host: Host): void {
    const ready = host.ready;
    assert.ok(ready && host.node);
    host.ready = undefined;
    this.persist(host, ready);
    this.mail.push(...ready.messages);
    for (const entry of ready.committed) {
      host.applied.push(textOf(entry));
      assert.equal(host.applied.length, entry.index, 'entries are applied in order, once');
      const others = this.history[entry.index - 1];
      if (others === undefined) this.history.push(textOf(entry));
      else assert.equal(textOf(entry), others, `state machine safety at ${entry.index}`);
    }
    host.node.advance(ready);
  }

  private persist(host: Host, ready: Ready): void {
    if (ready.hardState) {
      assert.ok(ready.hardState.term >= host.hardState.term, 'terms only grow');
      if (ready.hardState.term === host.hardState.term && host.hardState.vote !== '')
        assert.equal(ready.hardState.vote, host.hardState.vote, 'one vote a term');
      host.hardState = ready.hardState;
    }
    for (const entry of ready.entries) {
      host.log.length = entry.index - 1;
      host.log.push(entry);
    }
  }

  private check(): void {
    for (const host of this.hosts) {
      const node = host.node;
      if (node?.role !== 'leader') continue;
      const known = this.leaders.get(node.currentTerm);
      assert.ok(known === undefined || known === host.id, `election safety in term ${node.currentTerm}`);
      this.leaders.set(node.currentTerm, host.id);
    }
    for (const host of this.hosts) {
      const {node} = host;
      if (!node) continue;
      assert.ok(node.applied <= node.committed);
    }
    // Committed is durable: whatever was applied anywhere is on the disks of a majority.
    const last = this.history.length;
    if (last === 0) return;
    const text = this.history[last - 1];
    const holders = this.hosts.filter(host => {
      const entry = host.log[last - 1];
      return entry !== undefined && textOf(entry) === text;
    });
    assert.ok(holders.length >= majority(this.hosts.length), `entry ${last} is on ${holders.length} disks`);
  }

  /** Logs that hold one entry alike hold everything before it alike (log matching). */
  checkLogs(): void {
    for (const one of this.hosts)
      for (const other of this.hosts) {
        let common = Math.min(one.log.length, other.log.length);
        while (common > 0 && one.log[common - 1]?.term !== other.log[common - 1]?.term) common -= 1;
        assert.deepEqual(
          one.log.slice(0, common).map(textOf),
          other.log.slice(0, common).map(textOf),
          'log matching',
        );
      }
  }
}

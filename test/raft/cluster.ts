/** Several Raft nodes on a bad network with disks that survive their crashes; checks Raft's invariants after every step. */
import assert from 'node:assert/strict';
import {initialConfiguration, sameConfiguration} from '../../coordinator/raft/configuration.ts';
import type {Message} from '../../coordinator/raft/messages.ts';
import {hasQuorum} from '../../coordinator/raft/quorum.ts';
import type {RaftNode} from '../../coordinator/raft/raftNode.ts';
import type {Configuration, MembershipChange, RaftConfig} from '../../coordinator/raft/types.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import {Host, type Snapshot, textOf} from './host.ts';

interface Mail {
  readonly message: Message;
  /** The chunks that go before an `installSnapshot`. */
  readonly snapshot?: Snapshot | undefined;
}

interface WaitingRead {
  readonly host: Host;
  readonly context: string;
  /** What was applied anywhere when the read began. */
  readonly floor: number;
}

export interface ClusterOptions extends Omit<RaftConfig, 'id' | 'start'> {
  readonly voters: number;
  /** Hosts that belong to nothing yet. */
  readonly spares?: number;
}

export class Cluster {
  readonly hosts: Host[];
  private readonly first: Configuration;
  private mail: Mail[] = [];
  /** Directed pairs `a>b` that lose everything. */
  readonly cut = new Set<string>();
  loss = 0;
  repeat = 0;
  private readonly leaders = new Map<number, string>();
  /** What was ever applied at each index, by anyone, and what the state was then. */
  readonly history: {readonly text: string; readonly digest: number}[] = [];
  private readonly configurations = new Map<number, Configuration>();
  private waiting: WaitingRead[] = [];
  readonly answered = {reads: 0, dropped: 0};
  /** Nobody joins or leaves: then what is applied is on the disks of a majority of the first voters. */
  fixed = true;
  private proposals = 0;

  constructor(
    {voters, spares = 0, ...settings}: ClusterOptions,
    readonly random: Random,
  ) {
    const ids = Array.from({length: voters + spares}, (_, n) => `n${n}`);
    this.first = initialConfiguration(ids.slice(0, voters));
    const config = {maxInFlight: 4, ...settings, random};
    this.hosts = ids.map((id, n) => new Host(id, n < voters ? this.first : undefined, config));
    for (const host of this.hosts) host.start();
  }

  get ids(): string[] {
    return this.hosts.map(host => host.id);
  }

  leader(): Host | undefined {
    const leaders = this.hosts.filter(host => host.node?.role === 'leader');
    return leaders.sort((a, b) => (b.node?.currentTerm ?? 0) - (a.node?.currentTerm ?? 0))[0];
  }

  propose(host: Host): void {
    this.proposals += 1;
    host.node?.propose(Buffer.from(`p${this.proposals}`.padEnd(Math.floor(this.random.next() * 300), '.')));
  }

  read(host: Host): void {
    const outcome = host.node?.read();
    if (outcome?.kind === 'pending')
      this.waiting.push({host, context: outcome.context, floor: this.history.length});
  }

  change(changes: readonly MembershipChange[]): boolean {
    this.fixed = false;
    return this.leader()?.node?.changeMembership(changes).kind === 'proposed';
  }

  crash(host: Host): void {
    host.crash(Math.floor(this.random.next() * ((host.write?.entries.length ?? 0) + 2)) - 1);
    this.waiting = this.waiting.filter(read => read.host !== host);
  }

  /** Time passes for everyone alike, in any order. */
  tickAll(): void {
    const left = [...this.hosts];
    while (left.length > 0) {
      const host = this.pick(left);
      left.splice(left.indexOf(host), 1);
      host.node?.tick();
      this.take(host);
    }
  }

  /** One thing happens somewhere, by chance. */
  step(ticks = true): void {
    const host = this.pick(this.hosts);
    const chance = this.random.next();
    if (chance < 0.05 && ticks) host.node?.tick();
    else if (chance < 0.5) this.deliver(Math.floor(this.random.next() * this.mail.length));
    else if (chance < 0.7) this.take(host);
    else if (chance < 0.84) this.finishWrite(host);
    else if (chance < 0.99) this.finishApply(host);
    else host.compact();
    this.check();
  }

  /** Ticks everyone, with everything delivered and carried out in between. */
  round(): void {
    for (const host of this.hosts) host.node?.tick();
    let turns = 0;
    for (let busy = true; busy; turns++) {
      assert.ok(turns < 1000, 'the network does not come to rest between two ticks');
      busy = this.mail.length > 0;
      for (let left = this.mail.length; left > 0; left--) this.deliver(0);
      for (const host of this.hosts) {
        if (host.node?.hasReady || host.write || host.applying) busy = true;
        this.take(host);
        this.finishWrite(host);
        this.finishApply(host);
      }
      this.check();
    }
  }

  settle(done: () => boolean, most = 300): void {
    for (let rounds = 0; !done(); rounds++) {
      if (rounds >= most) throw new Error(`no progress in ${most} rounds\n${this.describe()}`);
      this.round();
    }
  }

  /** Everyone's state, for a person. */
  describe(): string {
    const lines = this.hosts.map(({id, node}) => {
      if (!node) return `${id} down`;
      const {role, term, leader, lastIndex, stable, committed, applied, configuration, progress} =
        node.status();
      const members = [...progress].map(([name, {match, next, mode}]) => `${name}:${mode} ${match} ${next}`);
      const {voters, outgoing, learners} = configuration;
      return `${id} ${role} term=${term} leader=${leader} last=${lastIndex} stable=${stable} committed=${committed} applied=${applied} voters=${voters} outgoing=${outgoing} learners=${learners} transferee=${node.transferee} ${members}`;
    });
    return [`${this.history.length} applied`, ...lines].join('\n');
  }

  isolate(id: string): void {
    for (const other of this.ids) {
      this.cut.add(`${id}>${other}`);
      this.cut.add(`${other}>${id}`);
    }
  }

  /** The network is whole again, and everyone is up. */
  heal(): void {
    this.cut.clear();
    this.loss = 0;
    this.repeat = 0;
    for (const host of this.hosts) if (!host.node) host.start();
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.random.next() * items.length)];
    assert.ok(item !== undefined);
    return item;
  }

  private take(host: Host): void {
    this.mail.push(...host.take().map(message => ({message})));
    for (const {to, index} of host.requests.splice(0)) this.sendSnapshot(host, to, index);
    for (const read of host.reads.splice(0)) {
      const at = this.waiting.findIndex(one => one.context === read.context);
      const waiting = this.waiting[at];
      assert.ok(waiting, 'a read is answered once, where it was asked');
      assert.equal(waiting.host, host);
      this.waiting.splice(at, 1);
      if (read.kind === 'ready')
        assert.ok(read.index >= waiting.floor, 'a read is not older than its question');
      this.answered[read.kind === 'ready' ? 'reads' : 'dropped'] += 1;
    }
  }

  private sendSnapshot(host: Host, to: string, index: number): void {
    const {snapshot} = host;
    assert.ok(snapshot.mark.index >= index, 'nothing is dropped that no snapshot covers');
    const message = host.node?.snapshotMessage(to, snapshot.mark);
    if (message) this.mail.push({message, snapshot});
  }

  private deliver(at: number): void {
    const mail = this.mail[at];
    if (!mail) return;
    const {message, snapshot} = mail;
    const again = this.random.next() < this.repeat;
    if (!again) this.mail.splice(at, 1);
    const lost = this.cut.has(`${message.from}>${message.to}`) || this.random.next() < this.loss;
    if (!lost) this.hosts.find(host => host.id === message.to)?.receive(message, snapshot);
    if (snapshot && !again) {
      const sender = this.hosts.find(host => host.id === message.from);
      sender?.node?.reportSnapshot(message.to, lost ? 'failed' : 'delivered');
    }
  }

  private finishWrite(host: Host): void {
    if (host.write) host.finishWrite();
  }

  private finishApply(host: Host): void {
    if (!host.applying) return;
    host.finishApply((entry, {digest}) => {
      const known = this.history[entry.index - 1];
      const text = textOf(entry);
      if (!known) this.history.push({text, digest});
      else assert.deepEqual({text, digest}, known, `state machine safety at ${entry.index}`);
    });
  }

  private check(): void {
    for (const host of this.hosts) {
      const {node} = host;
      if (!node) continue;
      assert.ok(node.applied <= node.committed);
      this.checkConfiguration(node);
      if (node.role !== 'leader') continue;
      const known = this.leaders.get(node.currentTerm);
      assert.ok(known === undefined || known === host.id, `election safety in term ${node.currentTerm}`);
      if (known === undefined)
        assert.ok(node.lastIndex > this.history.length, `leader completeness in term ${node.currentTerm}`);
      this.leaders.set(node.currentTerm, host.id);
    }
    this.checkDurable();
  }

  /** It follows from what is applied, however that came: as entries, from the disk, in a snapshot. Newcomers have none at first. */
  private checkConfiguration(node: RaftNode): void {
    const {installing, applied, configuration} = node;
    if (installing || configuration.voters.length === 0) return;
    const known = this.configurations.get(applied);
    if (!known) this.configurations.set(applied, configuration);
    else if (known !== configuration)
      assert.ok(sameConfiguration(known, configuration), `one configuration at ${applied}`);
  }

  /** Whatever was applied anywhere is on the disks of a majority. */
  private checkDurable(): void {
    const last = this.history.length;
    const {hosts, fixed} = this;
    if (last === 0 || !fixed) return;
    const term = Number.parseInt(this.history[last - 1]?.text ?? '', 10);
    const holders = new Set<string>();
    for (const host of hosts)
      if (host.snapshot.mark.index >= last || host.termOnDisk(last) === term) holders.add(host.id);
    assert.ok(
      hasQuorum(this.first, id => holders.has(id)),
      `entry ${last} is on ${holders.size} disks`,
    );
  }

  /** Logs that hold one entry alike hold everything before it alike (log matching). */
  checkLogs(): void {
    for (const one of this.hosts)
      for (const other of this.hosts) {
        let index = Math.min(one.log.at(-1)?.index ?? 0, other.log.at(-1)?.index ?? 0);
        const first = Math.max(one.snapshot.mark.index, other.snapshot.mark.index);
        while (index > first && one.termOnDisk(index) !== other.termOnDisk(index)) index -= 1;
        const texts = ({log}: Host): string[] =>
          log.filter(entry => entry.index > first && entry.index <= index).map(textOf);
        assert.deepEqual(texts(one), texts(other), 'log matching');
      }
  }
}

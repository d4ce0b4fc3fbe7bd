/** One simulated cluster with its clients, its faults and its books, from one seed. */

import {isJoint, membersOf, NO_CONFIGURATION} from '../../../coordinator/raft/configuration.ts';
import type {Message} from '../../../coordinator/raft/messages.ts';
import type {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import type {Configuration, Entry, RaftConfig, SnapshotMark} from '../../../coordinator/raft/types.ts';
import type {Outcome} from '../../../coordinator/store/stateMachine.ts';
import {encodeState} from '../../../coordinator/store/stateSnapshot.ts';
import type {HistoryEvent} from '../checker/history.ts';
import {Chance} from './chance.ts';
import {Client, type ClusterView, Watcher} from './clients.ts';
import {hashBytes, hashNumber, hashText} from './digest.ts';
import {drawFaultKinds, Faults} from './faults.ts';
import {Ledger, Violation} from './ledger.ts';
import {Machine} from './machine.ts';
import {drawChanges} from './membershipChanges.ts';
import {Network} from './network.ts';
import {FOLDER, Replica, type ReplicaObserver} from './replica.ts';
import {Scheduler} from './scheduler.ts';
import type {SentSnapshot} from './snapshotTransfer.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly voters: number;
  readonly clients: number;
  readonly newNode: (config: RaftConfig) => RaftNode;
}

/** Events that a failure shows. */
const REMEMBERED = 60;
/** Machines that can become members. */
const SPARES = 2;
/** Reads of the curious in one run. */
const MOST_PEEKS = 80;

export class World implements ClusterView, ReplicaObserver {
  readonly scheduler = new Scheduler();
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly ids: readonly string[];
  readonly ledger: Ledger;
  readonly history: HistoryEvent[] = [];
  readonly faults: Faults;
  readonly clients: readonly Client[];
  readonly counts = {steps: 0, boots: 0, snapshots: 0, installs: 0, changes: 0, deaths: 0};
  /** What an invariant says against this run. */
  violation: Error | undefined;
  private readonly configuration: Configuration;
  /** Small ones split what would go at once. */
  private readonly limits;
  private readonly replicas = new Map<string, Replica>();
  private readonly recent: string[] = [];
  private digest: number;
  private operations = 0;
  /** The last term whose leader was asked at once. */
  private peekedAt = 0;
  private readonly rotten = new Map<Machine, {path: string; offset: number; mask: number}>();

  constructor(private readonly options: WorldOptions) {
    const chance = new Chance(options.seed);
    this.digest = options.seed;
    this.network = new Network(this.scheduler, chance.fork());
    const durableWrites = chance.happens(0.7);
    const kinds = drawFaultKinds(chance);
    const spares = kinds.includes('membership') ? SPARES : 0;
    this.machines = Array.from(
      {length: options.voters + spares},
      (_, n) => new Machine(`n${n + 1}`, this.scheduler, chance.fork(), durableWrites),
    );
    this.ids = this.machines.map(({id}) => id);
    this.configuration = {
      voters: this.ids.slice(0, options.voters),
      outgoing: [],
      learners: [],
      learnersNext: [],
    };
    this.limits = {
      maxMessageBytes: chance.pick([1, 200, 1000, 100_000]),
      maxReadyBytes: chance.pick([1, 500, 2000, 100_000]),
      maxInFlight: chance.pick([1, 2, 8]),
      snapshotEntries: chance.pick([10, 25, 80]),
    };
    this.ledger = new Ledger(this.configuration);
    this.faults = new Faults(this, kinds, chance.fork());
    const nextId = (): number => ++this.operations;
    this.clients = Array.from(
      {length: options.clients},
      (_, n) => new Client(`c${n + 1}`, this, chance.fork(), nextId),
    );
    this.watchers = ['', 'a', 'l/'].map((prefix, n) => new Watcher(`w${n + 1}`, prefix, this, chance.fork()));
  }

  private readonly watchers: readonly Watcher[];

  get trace(): number {
    return this.digest;
  }

  start(): void {
    for (const machine of this.machines) this.bootIfDown(machine);
    for (const client of this.clients) client.start();
    for (const watcher of this.watchers) watcher.start();
    this.faults.start();
    this.peekAtLeaders(MOST_PEEKS);
  }

  /** Leaders that have just begun, and leaders of the past that do not know it yet, are where a read may come out wrong. */
  private peekAtLeaders(left: number): void {
    const latest = this.leader();
    let done = 0;
    for (const replica of this.replicas.values()) {
      if (!replica.isLive || replica.node.role !== 'leader') continue;
      const isNew = replica === latest && this.peekedAt !== replica.node.currentTerm;
      if (isNew) this.peekedAt = replica.node.currentTerm;
      if (!isNew && replica === latest) continue;
      this.clients[0]?.peek(replica.id);
      done += 1;
    }
    if (left > 0) this.scheduler.after(5, () => this.peekAtLeaders(left - done));
  }

  /** Runs until `until` or until something is wrong. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    try {
      while (!this.violation && !done() && (await this.scheduler.step(until))) this.counts.steps += 1;
    } catch (error) {
      this.violation ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  replica(id: string): Replica | undefined {
    const replica = this.replicas.get(id);
    return replica?.process.alive ? replica : undefined;
  }

  leader(): Replica | undefined {
    let found: Replica | undefined;
    for (const replica of this.replicas.values())
      if (replica.isLive && replica.node.role === 'leader')
        if (!found || found.node.currentTerm < replica.node.currentTerm) found = replica;
    return found;
  }

  record(event: HistoryEvent): void {
    this.history.push(event);
    this.fold(event.type, event.at);
  }

  note(text: string): void {
    this.recent.push(`${this.scheduler.now.toFixed(2).padStart(10)} ${text}`);
    if (this.recent.length > REMEMBERED) this.recent.shift();
    this.fold(text, this.scheduler.now);
  }

  get lastEvents(): readonly string[] {
    return this.recent;
  }

  bootIfDown(machine: Machine): void {
    if (machine.isUp || this.violation) return;
    this.counts.boots += 1;
    this.note(`${machine.id} boots`);
    machine.boot(process => {
      const {newNode} = this.options;
      const replica = new Replica(
        process,
        {
          configuration: this.configuration.voters.includes(machine.id)
            ? this.configuration
            : NO_CONFIGURATION,
          snapshotEntries: this.limits.snapshotEntries,
          limits: this.limits,
          newNode,
          send: (from, message) => this.send(from, message),
          sendSnapshot: (from, to, snapshot, arrived) => this.sendSnapshot(from.id, to, snapshot, arrived),
        },
        this,
      );
      this.replicas.set(machine.id, replica);
      replica.start();
    });
  }

  fell(machine: Machine, power: 'kept' | 'lost'): void {
    this.note(`${machine.id} ${power === 'lost' ? 'loses power' : 'is killed'}`);
    machine.kill(power);
  }

  /** Flips a bit of the log of a machine that is down: it may refuse to start until the bit is back, but must not lose anything. */
  rot(machine: Machine, chance: Chance): void {
    const paths = machine.disk.paths().filter(name => name.startsWith(`${FOLDER}/log-`));
    if (machine.isUp || this.rotten.has(machine) || paths.length === 0) return;
    const path = paths.at(-1) ?? '';
    const content = machine.disk.content(path);
    let offset = chance.whole(content.length);
    // Most of a segment is zeros that nobody reads.
    for (let tries = 0; tries < 30 && !content[offset]; tries++) offset = chance.whole(content.length);
    const damage = {path, offset, mask: 1 << chance.whole(8)};
    machine.disk.damage(path, damage.offset, damage.mask);
    this.rotten.set(machine, damage);
    this.note(`${machine.id} ${path} rots at ${damage.offset}`);
  }

  transfer(to: string): void {
    const leader = this.leader();
    if (!leader) return;
    const {kind} = leader.node.transfer(to);
    this.note(`transfer from ${leader.id} to ${to}: ${kind}`);
    leader.pump();
  }

  changeMembership(chance: Chance): void {
    const leader = this.leader();
    if (!leader) return;
    const changes = drawChanges(leader.node.configuration, this.ids, chance);
    const outcome = leader.node.changeMembership(changes);
    const what = changes.map(({action, node}) => `${action} ${node}`).join(', ');
    this.note(
      `${leader.id} ${what}: ${outcome.kind === 'refused' ? outcome.reason : `entry ${outcome.index}`}`,
    );
    if (outcome.kind === 'proposed') this.counts.changes += 1;
    leader.pump();
  }

  recovered(replica: Replica, found: Parameters<ReplicaObserver['recovered']>[1]): void {
    this.rotten.delete(replica.process.machine);
    this.note(
      `${replica.id} recovered term ${found.hardState.term} entries ${found.start.index}+${found.entries.length}`,
    );
    this.guard(() => this.ledger.recovered(replica, found));
  }

  handedOut(replica: Replica, ready: Parameters<ReplicaObserver['handedOut']>[1]): void {
    this.ledger.handedOut(replica, ready);
  }

  persisted(replica: Replica, ready: Parameters<ReplicaObserver['persisted']>[1]): void {
    const {hardState, entries} = ready;
    this.note(
      `${replica.id} persisted ${hardState?.term}/${hardState?.vote} ${entries.length} to ${entries.at(-1)?.index ?? '-'}`,
    );
    this.guard(() => this.ledger.persisted(replica, ready));
  }

  abandoned(replica: Replica, ready: Parameters<ReplicaObserver['abandoned']>[1]): void {
    this.note(`${replica.id} abandoned a write`);
    this.ledger.abandoned(replica, ready);
  }

  applied(replica: Replica, entry: Entry, outcome: Outcome | undefined): void {
    this.fold(replica.id, entry.index);
    this.ledger.applied(replica, entry, outcome);
  }

  snapshotWritten(replica: Replica, mark: SnapshotMark): void {
    this.counts.snapshots += 1;
    this.note(`${replica.id} wrote a snapshot of ${mark.index}`);
  }

  installed(replica: Replica, mark: SnapshotMark): void {
    this.counts.installs += 1;
    this.note(`${replica.id} installed the snapshot of ${mark.index}`);
    let digest = 0;
    for (const chunk of encodeState(replica.machine)) digest = hashBytes(chunk, digest);
    this.guard(() => this.ledger.stateAt(replica.id, mark.index, digest));
  }

  stepped(replica: Replica): void {
    this.ledger.stepped(replica);
  }

  died(replica: Replica, why: string, expected: boolean): void {
    const {machine} = replica.process;
    const rotten = this.rotten.get(machine);
    this.counts.deaths += 1;
    this.note(`${replica.id} died: ${why.split('\n')[0]}`);
    machine.kill('kept');
    if (rotten) {
      machine.disk.damage(rotten.path, rotten.offset, rotten.mask);
      this.rotten.delete(machine);
    } else if (!expected) {
      this.violation ??= new Violation('keeps running', `${replica.id} died: ${why}`);
      return;
    }
    this.scheduler.after(200, () => this.bootIfDown(machine));
  }

  /** Whether every member has applied everything that any node knows to be committed, and no change of members is under way. */
  get converged(): boolean {
    const {configuration} = this.ledger;
    if (isJoint(configuration)) return false;
    return membersOf(configuration).every(id => {
      const replica = this.replicas.get(id);
      return replica?.isLive && replica.node.applied === this.ledger.lastCommitted;
    });
  }

  /** Equal logs applied give equal states, byte by byte. */
  compareStates(): void {
    for (const replica of this.replicas.values()) {
      if (!replica.isLive) continue;
      let digest = 0;
      replica.machine.trim(Number.POSITIVE_INFINITY);
      for (const chunk of encodeState(replica.machine)) digest = hashBytes(chunk, digest);
      this.guard(() => this.ledger.stateAt(replica.id, replica.node.applied, digest));
    }
  }

  private send(from: Replica, message: Message): void {
    this.ledger.sent(from, message);
    this.note(brief(message));
    // Proposals that are passed on carry no number that would tell a repetition apart.
    this.network.send(
      from.id,
      message.to,
      () => {
        const to = this.replicas.get(message.to);
        to?.process.run(() => to.step(message));
      },
      message.kind === 'propose',
    );
  }

  private sendSnapshot(from: string, to: string, snapshot: SentSnapshot, arrived: () => void): void {
    this.note(`${from}>${to} sends the snapshot of ${snapshot.mark.index}`);
    this.network.send(from, to, () => {
      const replica = this.replicas.get(to);
      const answer = (): void => this.network.send(to, from, arrived, true);
      replica?.process.run(() => replica.transfer.receive(snapshot, answer));
    });
  }

  /** For calls from within promises. */
  private guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.violation ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  private fold(text: string, number: number): void {
    this.digest = hashText(text, hashNumber(Math.floor(number * 1000), this.digest));
  }
}

function brief(message: Message): string {
  const head = `${message.from}>${message.to} ${message.kind}`;
  switch (message.kind) {
    case 'append':
      return `${head} t${message.term} ${message.previousIndex}/${message.previousTerm}+${message.entries.length} c${message.commit}`;
    case 'appendReply':
      return `${head} t${message.term} ${message.accepted ? 'yes' : 'no'} ${message.index}`;
    case 'voteReply':
    case 'preVoteReply':
      return `${head} t${message.term} ${message.granted ? 'yes' : 'no'}`;
    case 'propose':
    case 'readIndex':
    case 'readIndexReply':
      return head;
    default:
      return `${head} t${message.term}`;
  }
}

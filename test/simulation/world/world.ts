/** One simulated cluster with its clients, its faults and its books, from one seed. */

import {isJoint, membersOf} from '../../../coordinator/raft/configuration.ts';
import type {Message} from '../../../coordinator/raft/messages.ts';
import type {Configuration} from '../../../coordinator/raft/types.ts';
import {snapshotName} from '../../../coordinator/store/embedded/snapshotFile.ts';
import {encodeState} from '../../../coordinator/store/stateSnapshot.ts';
import type {HistoryEvent} from '../checker/history.ts';
import {Chance} from './chance.ts';
import {Client, type ClusterView, Watcher} from './clients.ts';
import {hashBytes, hashNumber, hashText} from './digest.ts';
import {drawFaultKinds, type FaultKind, Faults} from './faults.ts';
import {Ledger, Violation} from './ledger.ts';
import {Machine} from './machine.ts';
import {addressOf, FOLDER, Member, type MemberLimits, type MemberObserver} from './member.ts';
import {drawChanges} from './membershipChanges.ts';
import {Network} from './network.ts';
import type {NodeObserver} from './observedNode.ts';
import {Scheduler} from './scheduler.ts';
import type {SimulatedTransport, TransportWorld} from './simulatedTransport.ts';

interface Rot {
  readonly path: string;
  readonly offset: number;
  readonly mask: number;
  /** An older snapshot and the log hold the same, so that it must start all the same. */
  readonly isBacked: boolean;
}

export interface WorldOptions {
  readonly seed: number;
  readonly voters: number;
  readonly clients: number;
  /** Drawn where absent. */
  readonly faults?: readonly FaultKind[] | undefined;
}

/** Events that a failure shows. */
const REMEMBERED = 60;
/** Machines that can become members. */
const SPARES = 2;
/** Reads of the curious in one run. */
const MOST_PEEKS = 80;
/** A member that does not end by itself when it is told to is killed. */
const SHUT_DOWN_MS = 2500;

export class World implements ClusterView, MemberObserver, TransportWorld {
  readonly scheduler = new Scheduler();
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly ids: readonly string[];
  readonly ledger: Ledger;
  readonly history: HistoryEvent[] = [];
  readonly faults: Faults;
  readonly clients: readonly Client[];
  readonly counts = {steps: 0, boots: 0, installs: 0, changes: 0, deaths: 0};
  /** Called after every step. */
  readonly lookouts = new Set<() => void>();
  /** What an invariant says against this run. */
  violation: Error | undefined;
  private readonly configuration: Configuration;
  /** Small ones split what would go at once. */
  private readonly limits: MemberLimits;
  private readonly members = new Map<string, Member>();
  private readonly recent: string[] = [];
  private digest: number;
  private operations = 0;
  /** The last term whose leader was asked at once. */
  private peekedAt = 0;
  private newest = 0;
  private readonly eager: Chance;
  private readonly rotten = new Map<Machine, Rot>();
  /** Snapshots of others, by machine and path: the log before such a one does not lead to what follows it. */
  private readonly received = new Set<string>();
  /** To leave for good: their names are not used again. */
  private readonly leavers = new Set<string>();
  private readonly watchers: readonly Watcher[];

  constructor(options: WorldOptions) {
    const chance = new Chance(options.seed);
    this.digest = options.seed;
    this.network = new Network(this.scheduler, chance.fork());
    const durableWrites = chance.happens(0.7);
    const drawn = drawFaultKinds(chance);
    const kinds = options.faults ?? drawn;
    const spares = kinds.includes('membership') || kinds.includes('jointSplit') ? SPARES : 0;
    this.machines = Array.from(
      {length: options.voters + spares},
      (_, n) => new Machine(`n${n + 1}`, this.scheduler, chance.fork(), durableWrites),
    );
    this.ids = this.machines.map(({id}) => id);
    const voters = this.ids.slice(0, options.voters);
    this.configuration = {voters, outgoing: [], learners: [], learnersNext: []};
    this.limits = {
      maxMessageBytes: chance.pick([1, 200, 1000, 100_000]),
      maxReadyBytes: chance.pick([1, 500, 2000, 100_000]),
      maxInFlight: chance.pick([1, 2, 8]),
      heartbeatMs: chance.pick([20, 60]),
      snapshotEntries: chance.pick([10, 25, 80]),
      followerLagBytes: chance.pick([1, 2000, 20_000]),
      snapshotChunkBytes: chance.pick([200, 1000, 4000]),
      snapshotWindow: chance.pick([1, 3, 8]),
    };
    this.ledger = new Ledger(this.configuration);
    this.faults = new Faults(this, kinds, chance.fork());
    this.eager = chance.fork();
    const nextId = (): number => ++this.operations;
    this.clients = Array.from(
      {length: options.clients},
      (_, n) => new Client(`c${n + 1}`, this, chance.fork(), nextId),
    );
    this.watchers = ['', 'a', 'l/'].map((prefix, n) => new Watcher(`w${n + 1}`, prefix, this, chance.fork()));
  }

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
    for (const member of this.members.values()) {
      if (!member.isLeader) continue;
      const term = member.node?.currentTerm ?? 0;
      const isNew = member === latest && this.peekedAt !== term;
      if (isNew) this.peekedAt = term;
      if (!isNew && member === latest) continue;
      this.clients[0]?.peek(member.id);
      done += 1;
    }
    if (left > 0) this.scheduler.after(5, () => this.peekAtLeaders(left - done));
  }

  /** Runs until `until` or until something is wrong. */
  async run(until: number, done: () => boolean = () => false): Promise<void> {
    try {
      while (!this.violation && !done() && (await this.scheduler.step(until))) {
        this.counts.steps += 1;
        for (const look of [...this.lookouts]) look();
      }
    } catch (error) {
      this.violation ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  member(id: string): Member | undefined {
    const member = this.members.get(id);
    return member?.process.alive ? member : undefined;
  }

  transport(id: string): SimulatedTransport | undefined {
    return this.members.get(id)?.transport;
  }

  leader(): Member | undefined {
    let found: Member | undefined;
    for (const member of this.members.values())
      if (member.isLeader && (member.node?.currentTerm ?? 0) > (found?.node?.currentTerm ?? -1))
        found = member;
    return found;
  }

  /** Who could become a member. */
  get outsiders(): string[] {
    const present = membersOf(this.leader()?.node?.configuration ?? this.configuration);
    return this.ids.filter(id => !present.includes(id) && !this.leavers.has(id));
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
    if (machine.isUp || machine.isRetired || this.violation) return;
    this.counts.boots += 1;
    this.note(`${machine.id} boots`);
    machine.boot(process => {
      const settings = {founders: this.configuration.voters, limits: this.limits};
      const member = new Member(process, settings, this, this);
      this.members.set(machine.id, member);
      member.start();
    });
  }

  fell(machine: Machine, power: 'kept' | 'lost'): void {
    this.note(`${machine.id} ${power === 'lost' ? 'loses power' : 'is killed'}`);
    machine.kill(power);
  }

  /** As a person stops it; it ends by itself, or is killed after a while. */
  shutDown(machine: Machine): void {
    const member = this.member(machine.id);
    if (!member?.isOpen) return;
    this.note(`${machine.id} is shut down`);
    const end = (): void => {
      if (!member.process.alive) return;
      this.note(`${machine.id} has ended`);
      machine.kill('kept');
      this.scheduler.after(50, () => this.bootIfDown(machine));
    };
    member.process.run(() => member.shutDown(end));
    this.scheduler.after(SHUT_DOWN_MS, end);
  }

  /** Flips a bit of the log, or of the newest snapshot, of a machine that is down: it may refuse to start until the bit is back, but must not lose anything. */
  rot(machine: Machine, chance: Chance): void {
    const kind = chance.happens(0.4) ? /\/snapshot-\d+\.snap$/ : /\/log-/;
    const path = machine.disk.paths().findLast(name => kind.test(name));
    if (machine.isUp || this.rotten.has(machine) || path === undefined) return;
    const content = machine.disk.content(path);
    let offset = chance.whole(content.length);
    // Most of a segment is zeros that nobody reads.
    for (let tries = 0; tries < 30 && !content[offset]; tries++) offset = chance.whole(content.length);
    const isBacked = path.endsWith('.snap') && !this.received.has(machine.id + path);
    const damage = {path, offset, mask: 1 << chance.whole(8), isBacked};
    machine.disk.damage(path, damage.offset, damage.mask);
    this.rotten.set(machine, damage);
    this.note(`${machine.id} ${path} rots at ${damage.offset}`);
  }

  transfer(to: string): void {
    const leader = this.leader();
    const outcome = leader?.node?.transfer(to);
    if (!leader || !outcome) return;
    this.note(`transfer from ${leader.id} to ${to}: ${outcome.kind}`);
    leader.process.run(() => leader.schedule());
  }

  /** What the product asks of the node, one step at a time, or what it could ask of it: several steps at once. */
  changeMembership(chance: Chance): void {
    const leader = this.leader();
    if (!leader?.node) return;
    if (chance.happens(0.4)) {
      this.askForChange(leader, chance);
      return;
    }
    const ids = this.ids.filter(id => !this.leavers.has(id));
    const changes = drawChanges(leader.node.configuration, ids, chance);
    const outcome = leader.node.changeMembership(changes);
    const what = changes.map(({action, node}) => `${action} ${node}`).join(', ');
    this.note(
      `${leader.id} ${what}: ${outcome.kind === 'refused' ? outcome.reason : `entry ${outcome.index}`}`,
    );
    if (outcome.kind === 'proposed') this.counts.changes += 1;
    leader.process.run(() => leader.schedule());
  }

  /** As by `mcpx cluster add` and `remove`, on any member. */
  private askForChange(leader: Member, chance: Chance): void {
    const {voters = []} = leader.node?.configuration ?? {};
    const asked = this.member(chance.pick(this.ids));
    if (!asked?.isOpen) return;
    const staying = voters.filter(id => !this.leavers.has(id));
    const outside = this.ids.filter(id => !voters.includes(id) && !this.leavers.has(id));
    const adds = outside.length > 0 && chance.happens(0.6);
    if (!adds && staying.length <= 2) return;
    this.ask(asked, adds ? 'add' : 'remove', chance.pick(adds ? outside : staying));
  }

  /** As by `mcpx cluster add` on the leader, if there is one. */
  addMember(id: string): void {
    const leader = this.leader();
    if (leader) this.ask(leader, 'add', id);
  }

  private ask(asked: Member, what: 'add' | 'remove', id: string): void {
    const cluster = asked.isOpen ? asked.store?.cluster : undefined;
    if (!cluster) return;
    this.note(`${asked.id} is asked to ${what} ${id}`);
    if (what === 'remove') this.leavers.add(id);
    this.counts.changes += 1;
    asked.process.run(() => {
      const done = what === 'add' ? cluster.add(id, addressOf(id)) : cluster.remove(id);
      done.then(
        () => this.note(`${asked.id} is done: ${what} ${id}`),
        (error: unknown) => this.note(`${asked.id}: ${String(error)}`),
      );
    });
  }

  recovered(member: Member, found: Parameters<MemberObserver['recovered']>[1]): void {
    this.rotten.delete(member.process.machine);
    this.note(
      `${member.id} recovered term ${found.hardState.term} entries ${found.start.index}+${found.entries.length}`,
    );
    const {node} = member;
    if (node) this.guard(() => this.ledger.recovered(node, found));
  }

  nodeObserver(member: Member): NodeObserver {
    const {ledger} = this;
    return {
      handedOut: (node, ready) => {
        if (ready.snapshot) this.received.add(`${node.id}${FOLDER}/${snapshotName(ready.snapshot.index)}`);
        this.guard(() => ledger.handedOut(node, ready));
      },
      persisted: (node, ready) => {
        const {hardState, entries, snapshot} = ready;
        this.note(
          `${node.id} persisted ${hardState?.term}/${hardState?.vote} ${entries.length} to ${entries.at(-1)?.index ?? '-'}`,
        );
        this.guard(() => ledger.persisted(node, ready));
        if (snapshot) this.installed(member, snapshot.index);
      },
      abandoned: (node, ready) => {
        this.note(`${node.id} abandoned a write`);
        this.guard(() => ledger.abandoned(node, ready));
      },
      applied: (node, entries) => {
        this.fold(node.id, entries.at(-1)?.index ?? 0);
        this.guard(() => {
          for (const entry of entries) ledger.applied(node, entry);
          const {machine} = member;
          if (!machine) return;
          const {revision, compactRevision, keys, leases, members} = machine;
          const leased = [...leases.values()].reduce((sum, lease) => sum + lease.keys.size, 0);
          const counts = [revision, compactRevision, keys.size, leases.size, leased, members.size];
          ledger.countsAt(node.id, entries.at(-1)?.index ?? 0, counts);
        });
      },
      stepped: node => {
        this.guard(() => ledger.stepped(node));
        if (node.role === 'leader' && node.currentTerm > this.newest) this.hasLeader(node.currentTerm);
      },
    };
  }

  /** A change of members before anything of its own term is committed is what a new leader must refuse. */
  private hasLeader(term: number): void {
    this.newest = term;
    if (this.faults.kinds.includes('membership') && !this.faults.isOver && this.eager.happens(0.4))
      this.scheduler.after(0.02, () => this.changeMembership(this.eager));
  }

  private installed(member: Member, index: number): void {
    this.counts.installs += 1;
    member.installs += 1;
    this.note(`${member.id} installed the snapshot of ${index}`);
    this.compareState(member, index);
  }

  died(member: Member, why: string, cause: 'disk' | 'removed' | undefined): void {
    const {machine} = member.process;
    const rotten = this.rotten.get(machine);
    this.counts.deaths += 1;
    this.note(`${member.id} died: ${why.split('\n')[0]}`);
    machine.kill('kept');
    if (cause === 'removed' && this.leavers.has(member.id)) {
      machine.retire();
      return;
    }
    if (rotten && !rotten.isBacked) {
      machine.disk.damage(rotten.path, rotten.offset, rotten.mask);
      this.rotten.delete(machine);
    } else if (cause !== 'disk') {
      this.violation ??= new Violation('keeps running', `${member.id} died: ${why}`);
      return;
    }
    this.scheduler.after(200, () => this.bootIfDown(machine));
  }

  /** Whether every member has applied everything that any node knows to be committed, and no change of members is under way. */
  get converged(): boolean {
    const {configuration} = this.ledger;
    if (isJoint(configuration)) return false;
    return membersOf(configuration).every(id => {
      const member = this.member(id);
      return member?.isOpen && member.node?.applied === this.ledger.lastCommitted;
    });
  }

  /** Equal logs applied give equal states, byte by byte. */
  compareStates(): void {
    for (const member of this.members.values()) {
      if (!member.isOpen) continue;
      member.machine?.trim(Number.POSITIVE_INFINITY);
      this.compareState(member, member.opened?.replica.applied.index ?? 0);
    }
  }

  private compareState({machine, id}: Member, index: number): void {
    if (!machine) return;
    let digest = 0;
    for (const chunk of encodeState(machine)) digest = hashBytes(chunk, digest);
    this.guard(() => this.ledger.stateAt(id, index, digest));
  }

  sent(from: string, message: Message): void {
    this.note(brief(message));
    this.guard(() => this.ledger.sent(from, message));
  }

  stopped(transport: SimulatedTransport): void {
    const member = this.members.get(transport.id);
    if (member?.transport === transport) member.stopped();
  }

  /** The product must not see what the checks throw. */
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

/**
 * Who belongs to the cluster. What is wanted is in the replicated state; whoever leads takes the steps towards it, one configuration at a time: a
 * newcomer learns first and votes once it has caught up. Votes and majorities are Raft's.
 */
import type {Logger} from '../../observability/logger.ts';
import {isJoint, membersOf} from '../../raft/configuration.ts';
import type {RaftNode} from '../../raft/raftNode.ts';
import type {Configuration, MembershipChange} from '../../raft/types.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {MemberRecord} from '../commands.ts';
import {answerOf, answerText, ClusterCall, ClusterStatus} from './clusterCalls.ts';
import {type ClusterOptions, MAX_VOTERS} from './clusterOptions.ts';
import type {LeaseKeeper} from './leaseKeeper.ts';
import type {OpenedReplica} from './openReplica.ts';
import type {Transport} from './peers/transport.ts';
import type {Replica} from './replica.ts';

/** Entries that a learner may lack when it is made a voter. */
const CAUGHT_UP_ENTRIES = 1000;
const RETRY_MS = 100;

export interface MembershipParts {
  readonly cluster: ClusterOptions;
  readonly opened: OpenedReplica;
  readonly transport: Transport;
  readonly leases: LeaseKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long to wait for a leader, and for a change to come about. */
  readonly timeoutMs: number;
}

/** What people and programs do with a cluster, from any of its members. */
export interface ClusterControl {
  status(): Promise<ClusterStatus>;
  /** Resolves once the newcomer gets the log. It votes when it has caught up. */
  add(id: string, address: string): Promise<void>;
  /** Resolves once it counts no more. It stops when it hears of it. */
  remove(id: string): Promise<void>;
  /** To the voter that has most of the log where none is named. Resolves with who leads. */
  transfer(to?: string): Promise<string>;
}

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
}

export class Membership implements ClusterControl {
  private readonly raft: RaftNode;
  private readonly replica: Replica;
  private readonly stopping = new AbortController();
  private waiters: Waiter[] = [];
  private seen: Configuration | undefined;
  private seenMembers = '';
  private announcing = false;

  constructor(private readonly parts: MembershipParts) {
    this.raft = parts.opened.raft;
    this.replica = parts.opened.replica;
    this.replica.answerCall = (_from, body) => answerText(() => this.answer(parseCall(body)));
    this.follow();
  }

  stop(): void {
    this.stopping.abort(new CoordinatorError('closed', 'the store is closing'));
  }

  async status(): Promise<ClusterStatus> {
    try {
      return ClusterStatus.parse(await this.ask({kind: 'status'}, RETRY_MS));
    } catch (error) {
      if (!isCoordinatorError(error, 'unavailable') && !isCoordinatorError(error, 'timeout')) throw error;
      return this.localStatus();
    }
  }

  /** As this node knows them. */
  members(): {id: string; address: string; role: 'voter' | 'learner'}[] {
    return this.localStatus().members.map(({id, address, role}) => ({id, address, role}));
  }

  async add(id: string, address: string): Promise<void> {
    await this.ask({kind: 'add', id, address});
  }

  async remove(id: string): Promise<void> {
    await this.ask({kind: 'remove', id});
  }

  async transfer(to?: string): Promise<string> {
    return String(await this.ask(to === undefined ? {kind: 'transfer'} : {kind: 'transfer', to}));
  }

  async keepAlive(lease: string): Promise<boolean> {
    return (await this.ask({kind: 'keepAlive', lease})) === true;
  }

  /** State, configuration or leader may have changed. */
  changed(): void {
    this.follow();
    this.waiters = this.waiters.filter(waiter => {
      const isDone = waiter.isDone();
      if (isDone) waiter.resolve();
      return !isDone;
    });
  }

  /** From time to time: what is wanted and not so yet. */
  tick(): void {
    this.announce();
    if (this.replica.isLeader) this.takeStep();
  }

  /** Only the leader can answer; while there is none, or it changes, it is asked again. */
  private async ask(call: ClusterCall, patienceMs = this.parts.timeoutMs): Promise<unknown> {
    const {clock, transport} = this.parts;
    const until = clock.now() + patienceMs;
    for (;;) {
      this.replica.checkOpen();
      try {
        const {leader} = this.raft;
        if (leader === this.raft.id) return await this.answer(call);
        if (leader === undefined)
          throw new CoordinatorError('unavailable', 'the cluster has no leader now: no majority is there');
        return answerOf(await transport.call(leader, JSON.stringify(call)));
      } catch (error) {
        // Each of the questions may be asked twice.
        const isLost = isCoordinatorError(error, 'unavailable') || isCoordinatorError(error, 'timeout');
        if (!isLost || clock.now() >= until) throw error;
      }
      await delay(clock, RETRY_MS, this.stopping.signal);
    }
  }

  private async answer(call: ClusterCall): Promise<unknown> {
    if (!this.replica.isLeader) throw new CoordinatorError('unavailable', 'this node does not lead');
    switch (call.kind) {
      case 'keepAlive':
        return this.parts.leases.renew(call.lease);
      case 'add':
        return this.addMember(call.id, call.address);
      case 'remove':
        return this.removeMember(call.id);
      case 'transfer':
        return this.handOver(call.to);
      default:
        return this.localStatus();
    }
  }

  private async addMember(id: string, address: string): Promise<void> {
    const {machine} = this.replica;
    if (machine.members.get(id)?.wanted === 'removed')
      throw new CoordinatorError('conflict', `${id} was a member and was removed`, {
        hint: 'Give the new member a name that was never used in this cluster.',
      });
    const {configuration} = this.raft;
    if (!membersOf(configuration).includes(id) && membersOf(configuration).length >= MAX_VOTERS)
      throw new CoordinatorError('limit', `a cluster has at most ${MAX_VOTERS} voters`);
    await this.replica.propose({kind: 'member', member: {id, address, wanted: 'voter'}});
    this.takeStep();
    await this.until(`${id} to get the log`, () => membersOf(this.raft.configuration).includes(id));
  }

  private async removeMember(id: string): Promise<void> {
    const {configuration} = this.raft;
    if (!membersOf(configuration).includes(id)) {
      // The answer to the same question may have been lost.
      if (this.replica.machine.members.get(id)?.wanted === 'removed') return;
      throw new CoordinatorError('notFound', `${id} is no member of this cluster`);
    }
    if (configuration.voters.length === 1 && configuration.voters[0] === id)
      throw new CoordinatorError('conflict', `${id} is the only voter: nobody would be left`);
    await this.replica.propose({kind: 'member', member: {id, address: '', wanted: 'removed'}});
    this.takeStep();
    await this.until(`${id} to be left out`, () => !membersOf(this.raft.configuration).includes(id));
  }

  private async handOver(wanted: string | undefined): Promise<string> {
    const to = wanted ?? this.furthest();
    const outcome = this.raft.transfer(to);
    if (outcome.kind === 'refused' && outcome.reason === 'self') return to;
    if (outcome.kind === 'refused')
      throw new CoordinatorError('conflict', `${to} cannot lead: it is no voter of this cluster`);
    this.replica.schedule();
    await this.until('the lead to change', () => this.raft.transferee === undefined);
    if (this.raft.leader === this.raft.id)
      throw new CoordinatorError('timeout', `${to} did not take the lead in time; ${this.raft.id} leads on`);
    await this.until('a new leader', () => this.raft.leader !== undefined);
    return this.raft.leader ?? '';
  }

  /** Before this node stops: the others need not find out by themselves that it is gone. Gives up after an election timeout. */
  async leave(): Promise<void> {
    const {raft, replica} = this;
    if (!replica.isLeader || raft.configuration.voters.length < 2) return;
    try {
      replica.checkOpen();
      raft.transfer(this.furthest());
      replica.schedule();
      await this.until('the lead to change', () => raft.transferee === undefined);
    } catch (error) {
      this.parts.logger.debug('the lead was not handed over', {error});
    }
  }

  private furthest(): string {
    const {progress, configuration} = this.raft.status();
    const others = configuration.voters.filter(id => id !== this.raft.id);
    const match = (id: string): number => {
      const known = progress.get(id);
      return known?.active ? known.match : -1;
    };
    const [best] = others.sort((a, b) => match(b) - match(a));
    if (best === undefined) throw new CoordinatorError('conflict', 'there is no other voter');
    return best;
  }

  /** One change at a time; what is refused now is tried at the next tick. */
  private takeStep(): void {
    const change = this.nextChange();
    if (!change) return;
    const outcome = this.raft.changeMembership([change]);
    if (outcome.kind === 'proposed') {
      this.parts.logger.info('changing the members', {...change});
      this.replica.schedule();
    }
  }

  private nextChange(): MembershipChange | undefined {
    const {configuration, settled, progress} = this.raft.status();
    if (!settled) return undefined;
    const present = membersOf(configuration);
    for (const {id: node, wanted} of this.replica.machine.members.values()) {
      const isPresent = present.includes(node);
      if (wanted === 'removed') {
        if (isPresent) return {action: 'remove', node};
      } else if (!isPresent) return {action: 'addLearner', node};
      else if (wanted === 'voter' && configuration.learners.includes(node)) {
        const known = progress.get(node);
        const lacks = this.raft.committed - (known?.match ?? 0);
        if (known?.active && known.match > 0 && lacks <= CAUGHT_UP_ENTRIES) return {action: 'addVoter', node};
      }
    }
    return undefined;
  }

  /** Who to talk to, by the state of now. */
  private follow(): void {
    const {configuration} = this.raft;
    const {members} = this.replica.machine;
    const text = [...members.values()].map(({id, address}) => `${id}=${address}`).join();
    this.stopIfRemoved();
    if (configuration === this.seen && text === this.seenMembers) return;
    this.seen = configuration;
    this.seenMembers = text;
    const {peers} = this.parts.cluster;
    const present = membersOf(configuration);
    const ids = present.length > 0 ? present : [...peers.keys()];
    this.parts.transport.setPeers(new Map(ids.map(id => [id, this.addressOf(id)])));
  }

  private addressOf(id: string): string {
    const known = this.replica.machine.members.get(id)?.address;
    return known || (this.parts.cluster.peers.get(id) ?? '');
  }

  private stopIfRemoved(): void {
    const {id, configuration} = this.raft;
    if (this.replica.isLeader || this.replica.machine.members.get(id)?.wanted !== 'removed') return;
    if (!membersOf(configuration).includes(id)) this.replica.wasRemoved();
  }

  /** The others find this node where it says, not where somebody's command line once said. */
  private announce(): void {
    const {id, configuration} = this.raft;
    const address = this.parts.cluster.peers.get(id);
    const known = this.replica.machine.members.get(id);
    if (this.announcing || address === undefined || this.raft.leader === undefined) return;
    if (known?.address === address || known?.wanted === 'removed' || !membersOf(configuration).includes(id))
      return;
    this.announcing = true;
    const wanted: MemberRecord['wanted'] =
      known?.wanted ?? (configuration.voters.includes(id) ? 'voter' : 'learner');
    Promise.resolve()
      .then(() => this.replica.propose({kind: 'member', member: {id, address, wanted}}))
      .catch((error: unknown) =>
        this.parts.logger.warn('the address of this node could not be told', {error}),
      )
      .finally(() => {
        this.announcing = false;
      });
  }

  private async until(what: string, isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const {clock, timeoutMs} = this.parts;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.stopping.signal]);
    const done = new Promise<void>(resolve => this.waiters.push({isDone, resolve}));
    const late = delay(clock, timeoutMs, signal).then(() => {
      throw new CoordinatorError('timeout', `waited for ${what}; it goes on and may yet come about`);
    });
    try {
      await Promise.race([done, late]);
    } finally {
      late.catch(() => undefined);
      over.abort();
    }
  }

  private localStatus(): ClusterStatus {
    const {id, leader, term, committed, lastIndex, configuration, settled, progress} = this.raft.status();
    const members = membersOf(configuration).map(member => {
      const known = progress.get(member);
      return {
        id: member,
        address: this.addressOf(member),
        role: configuration.learners.includes(member) ? ('learner' as const) : ('voter' as const),
        leader: member === leader,
        ...(known ? {lag: Math.max(0, lastIndex - known.match), active: known.active} : {}),
      };
    });
    const {name: cluster} = this.parts.cluster;
    return {
      cluster,
      node: id,
      ...(leader === undefined ? {} : {leader}),
      term,
      committed,
      changing: leader === id ? !settled : isJoint(configuration),
      members,
    };
  }
}

function parseCall(body: string): ClusterCall {
  try {
    return ClusterCall.parse(JSON.parse(body));
  } catch (cause) {
    throw new CoordinatorError('incompatible', 'a member asked something that this build does not know', {
      cause,
    });
  }
}

/** What a replica does for its clients: transactions, linearizable reads, leases, watches. */
import type {Entry, ReadState} from '../../../coordinator/raft/types.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {Command} from '../../../coordinator/store/commands.ts';
import {LeaseDeadlines} from '../../../coordinator/store/embedded/leaseDeadlines.ts';
import type {Outcome} from '../../../coordinator/store/stateMachine.ts';
import type {KeyValue, WatchMessage} from '../../../coordinator/store/store.ts';
import {isReadOnly} from '../../../coordinator/store/txnLimits.ts';
import type {WatchHub} from '../../../coordinator/store/watchHub.ts';
import type {StoreInput, StoreOutput} from '../checker/storeModel.ts';
import type {Replica} from './replica.ts';

export type Answer =
  | {readonly kind: 'answer'; readonly output: StoreOutput}
  /** Surely without effect. */
  | {readonly kind: 'refused'; readonly leader: string | undefined}
  /** It may have an effect. */
  | {readonly kind: 'unknown'};

interface PendingProposal {
  /** 0 for one that was passed on. */
  readonly index: number;
  readonly settle: (outcome: Outcome | 'lost' | 'unknown') => void;
}

interface PendingRead {
  index: number | undefined;
  readonly settle: (ready: boolean) => void;
}

const LEASE_TICK_MS = 50;
const PAUSE_TICKS = 4;
const KEPT_REVISIONS = 15;

export class ReplicaService {
  private readonly proposals = new Map<string, PendingProposal>();
  private readonly reads = new Map<string, PendingRead>();
  private readonly expiring = new Set<string>();
  private deadlines = new LeaseDeadlines(LEASE_TICK_MS, LEASE_TICK_MS * PAUSE_TICKS, 0);
  private hub: WatchHub | undefined;
  private ledIn = 0;
  private count = 0;

  constructor(private readonly replica: Replica) {}

  restored(): void {
    const {clock} = this.replica.process;
    this.deadlines = new LeaseDeadlines(LEASE_TICK_MS, LEASE_TICK_MS * PAUSE_TICKS, clock.now());
    this.hub?.close();
    this.hub = this.replica.newWatchHub();
  }

  request(input: StoreInput, answer: (answer: Answer) => void): void {
    const {replica} = this;
    const {node} = replica;
    const refuse = (): void => answer({kind: 'refused', leader: node?.leader});
    if (!replica.isLive) return;
    switch (input.kind) {
      case 'get':
        this.read(ready =>
          ready
            ? answer({kind: 'answer', output: {kind: 'got', kv: replica.machine.get(input.key)}})
            : refuse(),
        );
        break;
      case 'txn':
        if (isReadOnly(input.txn))
          this.read(ready =>
            ready
              ? answer({kind: 'answer', output: {kind: 'txn', result: replica.machine.read(input.txn)}})
              : refuse(),
          );
        else this.propose({kind: 'txn', txn: input.txn}, answer, outputOf);
        break;
      case 'grantLease': {
        const id = replica.process.random.hex(4);
        const {ttlSeconds} = input;
        this.propose({kind: 'grantLease', id, ttlSeconds}, answer, () => ({kind: 'granted', lease: id}));
        break;
      }
      case 'revokeLease':
        this.propose({kind: 'endLease', id: input.lease, expired: false}, answer, () => ({kind: 'revoked'}));
        break;
      case 'keepAlive':
        this.keepAlive(input.lease, answer, refuse);
        break;
    }
    replica.pump();
  }

  /** What this node has applied, which may be old. */
  local(): {revision: number; kvs: readonly KeyValue[]} | undefined {
    if (!this.replica.isLive) return undefined;
    return this.replica.machine.range('');
  }

  watch(
    prefix: string,
    fromRevision: number,
    listener: (message: WatchMessage) => void,
  ): Disposable | undefined {
    return this.replica.isLive ? this.hub?.watch(prefix, fromRevision, listener) : undefined;
  }

  readAnswered(state: ReadState): void {
    const read = this.reads.get(state.context);
    if (!read) return;
    if (state.kind === 'dropped') {
      this.reads.delete(state.context);
      read.settle(false);
    } else read.index = state.index;
  }

  applied(entry: Entry, id: string, command: Command, outcome: Outcome): void {
    if (command.kind === 'grantLease' && outcome.kind === 'leaseGranted')
      this.deadlines.renew(command.id, command.ttlSeconds, this.replica.process.clock.now());
    else if (command.kind === 'endLease') {
      this.deadlines.end(command.id);
      this.expiring.delete(command.id);
    }
    const proposal = this.proposals.get(id);
    if (proposal) {
      this.proposals.delete(id);
      proposal.settle(outcome);
    }
    this.appliedOther(entry);
  }

  /** A proposal whose place another entry has taken is lost for good. */
  appliedOther(entry: Entry): void {
    for (const [id, {index, settle}] of this.proposals)
      if (index === entry.index) {
        this.proposals.delete(id);
        settle('lost');
      }
  }

  batchApplied(): void {
    this.hub?.deliver();
  }

  /** What was forgotten with the write may come back from the disk after a restart. */
  diskFull(): void {
    for (const {settle} of this.proposals.values()) settle('unknown');
    this.proposals.clear();
  }

  /** After every step: reads whose index is applied, and a new leader's leases. */
  changed(): void {
    const {node, machine, process} = this.replica;
    for (const [context, {index, settle}] of this.reads)
      if (index !== undefined && node.applied >= index) {
        this.reads.delete(context);
        settle(true);
      }
    if (node.role !== 'leader' || node.currentTerm === this.ledIn) return;
    this.ledIn = node.currentTerm;
    this.expiring.clear();
    // Renewals went to the leader before: its leases may live as long as if they were renewed just now.
    for (const {id, ttlSeconds} of machine.leases.values())
      this.deadlines.renew(id, ttlSeconds, process.clock.now());
  }

  lookAtLeases(now: number): void {
    this.deadlines.noticePause(now);
    if (this.replica.node.role !== 'leader') return;
    for (const id of this.deadlines.due(now)) {
      if (this.expiring.has(id)) continue;
      this.expiring.add(id);
      const command = {kind: 'endLease', id, expired: true} as const;
      this.replica.node.propose(this.replica.encode(this.newId(), command));
    }
  }

  /** Old revisions go, as by a leader that keeps so many of them. */
  compactHistory(): void {
    const {node, machine} = this.replica;
    const revision = machine.revision - KEPT_REVISIONS;
    if (node.role !== 'leader' || revision <= machine.compactRevision) return;
    node.propose(this.replica.encode(this.newId(), {kind: 'compact', revision}));
  }

  private keepAlive(lease: string, answer: (answer: Answer) => void, refuse: () => void): void {
    const {node, process} = this.replica;
    const term = node.currentTerm;
    const known = this.replica.machine.leases.get(lease);
    if (node.role !== 'leader' || this.expiring.has(lease)) {
      refuse();
      return;
    }
    // First renewed, then confirmed that this node still led: the next leader renews all that it finds, later.
    if (known) this.deadlines.renew(lease, known.ttlSeconds, process.clock.now());
    this.read(ready => {
      if (!ready || node.role !== 'leader' || node.currentTerm !== term || this.expiring.has(lease)) refuse();
      else {
        const alive = this.replica.machine.leases.has(lease);
        if (alive && !known) refuse();
        else answer({kind: 'answer', output: {kind: 'alive', alive}});
      }
    });
  }

  private read(settle: (ready: boolean) => void): void {
    const outcome = this.replica.node.read();
    if (outcome.kind === 'dropped') settle(false);
    else this.reads.set(outcome.context, {index: undefined, settle});
  }

  private propose(
    command: Command,
    answer: (answer: Answer) => void,
    output: (outcome: Outcome) => StoreOutput | undefined,
  ): void {
    const {node} = this.replica;
    const id = this.newId();
    const outcome = node.propose(this.replica.encode(id, command));
    if (outcome.kind === 'dropped') {
      answer({kind: 'refused', leader: node.leader});
      return;
    }
    const settle = (result: Outcome | 'lost' | 'unknown'): void => {
      if (result === 'unknown') answer({kind: 'unknown'});
      else if (result === 'lost') answer({kind: 'refused', leader: node.leader});
      else {
        const value = output(result);
        answer(value ? {kind: 'answer', output: value} : {kind: 'refused', leader: undefined});
      }
    };
    this.proposals.set(id, {index: outcome.kind === 'appended' ? outcome.index : 0, settle});
  }

  private newId(): string {
    this.count += 1;
    return `${this.replica.id}-${this.replica.process.random.hex(3)}-${this.count}`;
  }
}

function outputOf(outcome: Outcome): StoreOutput | undefined {
  if (outcome.kind === 'txn') return {kind: 'txn', result: outcome.result};
  return outcome.kind === 'noLease' ? {kind: 'noLease'} : undefined;
}

/**
 * What every node has written, said, committed and applied, and Raft's invariants over it (figure 3 of the paper and what a disk adds), checked at
 * the very step that breaks one.
 */
import {decodeConfiguration} from '../../../coordinator/raft/configuration.ts';
import type {AppendReply, Message} from '../../../coordinator/raft/messages.ts';
import type {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import {
  type Configuration,
  type Entry,
  type HardState,
  NO_HARD_STATE,
  type Ready,
  type SnapshotMark,
} from '../../../coordinator/raft/types.ts';
import {hashBytes, hashNumber, hashText} from './digest.ts';
import {LogMirror} from './logMirror.ts';
import {decides, doOverlap} from './overlap.ts';

export class Violation extends Error {
  override readonly name = 'Violation';

  constructor(
    /** Which property: a short constant name. */
    readonly property: string,
    message: string,
  ) {
    super(`${property}: ${message}`);
  }
}

/** What is known of one node, through its restarts. */
interface Account {
  /** Acknowledged by its disk. */
  readonly durable: LogMirror;
  /** Handed out to its disk. */
  readonly handed: LogMirror;
  hardState: HardState;
  /** Handed to its disk, and not acknowledged: may be there after a crash. */
  writing: Ready | undefined;
  /** A failed write that may be there after a crash all the same. */
  abandoned: Ready[];
  applied: number;
  committed: number;
  term: number;
}

interface Committed {
  readonly term: number;
  readonly hash: number;
  /** The lowest term in which it is known to be committed. */
  readonly knownIn: number;
  readonly configuration: Configuration;
}

export class Ledger {
  private readonly accounts = new Map<string, Account>();
  private readonly leaders = new Map<number, string>();
  /** `index/term` -> hash of the log up to there: log matching. */
  private readonly chains = new Map<string, number>();
  /** By index; the first ones come from index 1. */
  private readonly committed: Committed[] = [];
  private readonly stateHashes = new Map<string, number>();
  private readonly counts = new Map<number, string>();
  /** Places of the configurations. */
  private readonly changes: number[] = [];

  constructor(private readonly first: Configuration) {}

  get lastCommitted(): number {
    return this.committed.length;
  }

  /** As of the last entry that anybody has applied. */
  get configuration(): Configuration {
    return this.committed.at(-1)?.configuration ?? this.first;
  }

  get elections(): number {
    return this.leaders.size;
  }

  recovered(
    node: RaftNode,
    found: {hardState: HardState; start: SnapshotMark; entries: readonly Entry[]},
  ): void {
    const {id} = node;
    const account = this.account(id);
    const {durable, hardState} = account;
    const what = `${id} found term ${found.hardState.term} with vote '${found.hardState.vote}'`;
    const forgot =
      found.hardState.term < hardState.term ||
      (found.hardState.term === hardState.term &&
        hardState.vote !== '' &&
        found.hardState.vote !== hardState.vote);
    if (forgot)
      throw new Violation('durable vote', `${what}, but had kept ${hardState.term} with '${hardState.vote}'`);
    if (found.hardState.commit < hardState.commit && found.start.index < hardState.commit)
      throw new Violation(
        'durable commit',
        `${id} found commit ${found.hardState.commit} of ${hardState.commit}`,
      );
    const now = new LogMirror();
    now.reset(found.start.index, this.hashAt(found.start));
    for (const entry of found.entries) this.note(now, entry);
    const mayReplace = [account.writing, ...account.abandoned].flatMap(
      ready => ready?.entries[0]?.index ?? [],
    );
    const replacedFrom = Math.min(Number.POSITIVE_INFINITY, ...mayReplace);
    for (let index = Math.max(durable.base, now.base) + 1; index <= durable.last; index++) {
      if (now.hash(index) === durable.hash(index) || index >= replacedFrom) continue;
      throw new Violation('durable log', `${id} lost entry ${index}, which its disk had acknowledged`);
    }
    if (now.base < durable.base && now.last < durable.base)
      throw new Violation('durable log', `${id} went back from snapshot ${durable.base} to ${now.last}`);
    durable.become(now);
    account.handed.become(now);
    // The entries that it speaks of may be in frames that a full disk has refused, while its own was taken.
    const commit = Math.min(found.hardState.commit, now.last);
    account.hardState = {...found.hardState, commit};
    account.writing = undefined;
    account.abandoned = [];
    account.applied = found.start.index;
    account.committed = node.committed;
    account.term = node.currentTerm;
  }

  handedOut(node: RaftNode, ready: Ready): void {
    const {id} = node;
    const account = this.account(id);
    if (ready.hardState) account.writing = ready;
    if (ready.snapshot) account.handed.reset(ready.snapshot.index, this.hashAt(ready.snapshot));
    for (const entry of ready.entries) this.note(account.handed, entry);
    if (node.role !== 'leader') return;
    for (const entry of ready.entries) {
      const known = this.committed[entry.index - 1];
      if (known && known.term !== entry.term && known.knownIn < node.currentTerm)
        throw new Violation(
          'leader completeness',
          `${id} leads term ${node.currentTerm} with entry ${entry.index} of term ${entry.term}; that of term ${known.term} is committed`,
        );
    }
  }

  persisted({id}: RaftNode, ready: Ready): void {
    const account = this.account(id);
    account.writing = undefined;
    account.abandoned = [];
    const {snapshot, hardState} = ready;
    if (snapshot) account.durable.reset(snapshot.index, this.hashAt(snapshot));
    if (snapshot) account.applied = Math.max(account.applied, snapshot.index);
    if (hardState) {
      const {term, vote} = account.hardState;
      if (hardState.term < term || (hardState.term === term && vote !== '' && vote !== hardState.vote))
        throw new Violation(
          'one vote a term',
          `${id} replaced ${term}/'${vote}' by ${hardState.term}/'${hardState.vote}'`,
        );
      account.hardState = hardState;
    }
    for (const entry of ready.entries) {
      const known = this.committed[entry.index - 1];
      const own = account.durable.hash(entry.index);
      this.note(account.durable, entry);
      if (
        known &&
        own === known.hash &&
        account.durable.hash(entry.index) !== known.hash &&
        entry.index <= account.applied
      )
        throw new Violation(
          'log of committed entries',
          `${id} replaced entry ${entry.index}, which it had applied`,
        );
    }
  }

  /** As after a restart, what is not on disk is forgotten. */
  abandoned(node: RaftNode, ready: Ready): void {
    const {id} = node;
    const account = this.account(id);
    account.committed = node.committed;
    account.term = node.currentTerm;
    account.writing = undefined;
    account.abandoned.push(ready);
    account.handed.become(account.durable);
  }

  /** Nothing may leave a node that follows from what is not on its disk. */
  sent(id: string, message: Message): void {
    const {hardState, durable} = this.account(id);
    if (!('term' in message) || message.kind === 'preVote' || message.kind === 'preVoteReply') return;
    const says = `${id} sent ${message.kind} of term ${message.term} to ${message.to}`;
    if (message.term > hardState.term)
      throw new Violation('durable term', `${says} with term ${hardState.term} on its disk`);
    const votes =
      message.kind === 'vote' ? id : message.kind === 'voteReply' && message.granted ? message.to : undefined;
    if (votes !== undefined && (hardState.term !== message.term || hardState.vote !== votes))
      throw new Violation(
        'durable vote',
        `${says} with vote '${hardState.vote}' of term ${hardState.term} on its disk`,
      );
    if (message.kind === 'appendReply' && message.accepted) this.checkAcknowledged(message, durable, says);
  }

  /** Of the leader's entries, too, not of others that had their places. */
  private checkAcknowledged({term, index}: AppendReply, durable: LogMirror, says: string): void {
    if (index > durable.last)
      throw new Violation(
        'durable before acknowledged',
        `${says} for entry ${index} with ${durable.last} on its disk`,
      );
    const leader = this.leaders.get(term);
    const account = leader === undefined ? undefined : this.account(leader);
    const hash = account?.term === term ? account.handed.hash(index) : undefined;
    if (hash !== undefined && durable.base < index && durable.hash(index) !== hash)
      throw new Violation(
        'durable before acknowledged',
        `${says} for entry ${index} with another on its disk`,
      );
  }

  applied({id, currentTerm}: RaftNode, entry: Entry): void {
    const account = this.account(id);
    if (entry.index !== account.applied + 1)
      throw new Violation('applied once, in order', `${id} applied ${entry.index} after ${account.applied}`);
    account.applied = entry.index;
    const hash = chain(this.committed[entry.index - 2]?.hash ?? 0, entry);
    const known = this.committed[entry.index - 1];
    if (!known) {
      const configuration =
        entry.kind === 'configuration' ? decodeConfiguration(entry.data) : this.configuration;
      if (entry.kind === 'configuration') this.changed(configuration, entry.index);
      this.committed.push({term: entry.term, hash, knownIn: currentTerm, configuration});
      this.checkQuorum(entry.index, hash);
      return;
    }
    if (known.hash !== hash || known.term !== entry.term)
      throw new Violation(
        'state machine safety',
        `${id} applied another entry ${entry.index} (term ${entry.term}, known ${known.term})`,
      );
  }

  /** Equal entries give equal states: as far as these numbers tell. */
  countsAt(id: string, index: number, counts: readonly number[]): void {
    const text = counts.join();
    const known = this.counts.get(index);
    if (known === undefined) this.counts.set(index, text);
    else if (known !== text)
      throw new Violation(
        'deterministic state machine',
        `${id} came to ${text} at entry ${index}, another to ${known}`,
      );
  }

  /** Equal entries give equal states, whole. */
  stateAt(id: string, index: number, digest: number): void {
    const key = String(index);
    const known = this.stateHashes.get(key);
    if (known === undefined) this.stateHashes.set(key, digest);
    else if (known !== digest)
      throw new Violation('equal states', `${id} has another state at entry ${index}`);
  }

  stepped(node: RaftNode): void {
    const {id} = node;
    const account = this.account(id);
    const {committed, applied, currentTerm, role, lastIndex} = node;
    if (currentTerm < account.term)
      throw new Violation('terms grow', `${id} went from ${account.term} to ${currentTerm}`);
    if (committed < account.committed)
      throw new Violation('commit is monotonic', `${id} went from ${account.committed} to ${committed}`);
    if (applied > committed) throw new Violation('applied <= commit', `${id}: ${applied} > ${committed}`);
    if (committed > lastIndex) throw new Violation('commit <= log', `${id}: ${committed} > ${lastIndex}`);
    if (committed > account.committed) account.committed = committed;
    const isNew = role === 'leader' && this.leaders.get(currentTerm) !== id;
    account.term = currentTerm;
    if (!isNew) return;
    const other = this.leaders.get(currentTerm);
    if (other !== undefined)
      throw new Violation('election safety', `${other} and ${id} both lead term ${currentTerm}`);
    this.leaders.set(currentTerm, id);
    const owed = this.committed.findLastIndex(({knownIn}) => knownIn < currentTerm) + 1;
    if (lastIndex < owed)
      throw new Violation(
        'leader completeness',
        `${id} leads term ${currentTerm} with ${lastIndex} of ${owed} committed entries`,
      );
    // Majorities of configurations that are two changes apart may have nobody in common.
    const missed = this.changes.filter(index => index > applied && index <= owed);
    if (missed.length > 1)
      throw new Violation(
        'elected by the configuration of now',
        `${id} leads term ${currentTerm} without having applied entries ${missed.join(', ')}`,
      );
  }

  /** Configurations that follow each other must not decide apart (§4.1, §4.3 of the dissertation). */
  private changed(next: Configuration, index: number): void {
    if (!doOverlap(this.configuration, next))
      throw new Violation(
        'configurations overlap',
        `entry ${index} makes ${JSON.stringify(next)} of ${JSON.stringify(this.configuration)}`,
      );
    this.changes.push(index);
  }

  private account(id: string): Account {
    let account = this.accounts.get(id);
    if (!account) {
      account = {
        durable: new LogMirror(),
        handed: new LogMirror(),
        hardState: NO_HARD_STATE,
        writing: undefined,
        abandoned: [],
        applied: 0,
        committed: 0,
        term: 0,
      };
      this.accounts.set(id, account);
    }
    return account;
  }

  private note(mirror: LogMirror, entry: Entry): void {
    const before = mirror.hash(entry.index - 1);
    if (before === undefined)
      throw new Violation('log without gaps', `entry ${entry.index} follows ${mirror.last}`);
    const hash = chain(before, entry);
    mirror.set(entry.index, hash);
    const key = `${entry.index}/${entry.term}`;
    const known = this.chains.get(key);
    if (known === undefined) this.chains.set(key, hash);
    else if (known !== hash)
      throw new Violation(
        'log matching',
        `two logs differ at or before entry ${entry.index} of term ${entry.term}`,
      );
  }

  private hashAt(position: {readonly index: number; readonly term: number}): number {
    if (position.index === 0) return 0;
    const known = this.committed[position.index - 1];
    if (!known || known.term !== position.term)
      throw new Violation(
        'snapshot of committed entries',
        `entry ${position.index} of term ${position.term} is not committed`,
      );
    return known.hash;
  }

  /** Committed is durable: on the disks of a majority, up or down, of the configuration that decided, or of the one before. */
  private checkQuorum(index: number, hash: number): void {
    const holds = (id: string): boolean => {
      const {durable} = this.account(id);
      return durable.hash(index) === hash || durable.base >= index;
    };
    const latest = this.committed[index - 2]?.configuration ?? this.first;
    if (decides(latest, holds) || decides(this.configurationBefore(latest, index), holds)) return;
    const holders = [...this.accounts.keys()].filter(holds);
    throw new Violation(
      'quorum log',
      `entry ${index} is applied, and on the disks of ${holders.join(', ') || 'nobody'} only`,
    );
  }

  private configurationBefore(latest: Configuration, index: number): Configuration {
    const same = JSON.stringify(latest);
    const earlier = this.committed
      .slice(0, index - 1)
      .findLast(({configuration}) => JSON.stringify(configuration) !== same);
    return earlier?.configuration ?? this.first;
  }
}

function chain(before: number, entry: Entry): number {
  return hashBytes(entry.data, hashText(entry.kind, hashNumber(entry.term, hashNumber(entry.index, before))));
}

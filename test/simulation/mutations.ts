/**
 * Planted bugs, each of a kind that some consensus system has had: one change to one source file. The checkers must find every one; a change whose
 * text is no longer there fails, so that the list follows the code.
 *
 * Not here, because these schedules do not find them: a campaign with a configuration that is committed and not applied, and a single missing flush of the
 * folder after a new segment, a written snapshot or the VERSION file.
 */
import type {SimulationOptions} from './simulate.ts';

export interface Mutation {
  /** What the mutant does wrong. */
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** A schedule made for it; else what the seed draws. */
  readonly schedule?: Pick<SimulationOptions, 'faults' | 'voters'>;
  /** Seeds known to find it are tried first. */
  readonly seeds?: readonly number[];
}

const RAFT = 'coordinator/raft';
const STORE = 'coordinator/store';
const LOG = 'coordinator/store/embedded';

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a vote leaves before it is on disk',
    file: `${RAFT}/election.ts`,
    find: "core.sendDurably({kind: 'voteReply'",
    replace: "core.send({kind: 'voteReply'",
  },
  {
    name: 'entries are acknowledged before they are on disk',
    file: `${RAFT}/follower.ts`,
    find: `hintTerm: 0},
    index,
  );`,
    replace: `hintTerm: 0},
  );`,
  },
  {
    name: 'a vote is forgotten with the process',
    file: `${RAFT}/raftCore.ts`,
    find: "this.vote = this.term === hardState.term ? hardState.vote : '';",
    replace: "this.vote = '';",
    seeds: [2],
  },
  {
    name: 'a candidate with a shorter log is elected',
    file: `${RAFT}/election.ts`,
    find: 'return message.lastIndex >= log.lastIndex;',
    replace: 'return true;',
    schedule: {faults: ['succession'], voters: 3},
    seeds: [2],
  },
  {
    name: 'a candidate with an older last entry is elected',
    file: `${RAFT}/election.ts`,
    find: 'if (message.lastTerm !== log.lastTerm) return message.lastTerm > log.lastTerm;',
    replace: '',
    schedule: {faults: ['succession'], voters: 5},
    seeds: [14],
  },
  {
    name: 'half of the voters are a majority',
    file: `${RAFT}/quorum.ts`,
    find: 'return Math.floor(voters / 2) + 1;',
    replace: 'return Math.max(1, Math.floor(voters / 2));',
  },
  {
    name: 'entries are accepted without the one before them',
    file: `${RAFT}/follower.ts`,
    find: 'known === 0 && log.term(message.previousIndex) !== message.previousTerm',
    replace: 'known === 0 && log.term(message.previousIndex) === undefined',
    schedule: {faults: ['succession'], voters: 3},
  },
  {
    name: 'a late copy of an old append cuts off what came after it',
    file: `${RAFT}/follower.ts`,
    find: 'if (own === entry.term) continue;',
    replace: '',
    schedule: {faults: ['weather'], voters: 3},
    seeds: [6],
  },
  {
    name: 'a heartbeat commits what the follower may not have',
    file: `${RAFT}/replication.ts`,
    find: 'const commit = Math.min(log.committed, progress.match);',
    replace: 'const commit = log.committed;',
  },
  {
    name: 'a write that was overtaken counts for what replaced it (append ABA)',
    file: `${RAFT}/raftLog.ts`,
    find: 'if (this.writing !== undefined) this.writing = Math.min(this.writing, index - 1);',
    replace: '',
    schedule: {faults: ['succession', 'slowDisk', 'weather'], voters: 3},
    seeds: [2],
  },
  {
    name: 'a new leader answers reads before its first entry is committed',
    file: `${RAFT}/leaderReads.ts`,
    find: 'if (core.log.term(core.log.committed) !== core.term) leading.early.push(read);',
    replace: 'if (false) return false;',
    schedule: {faults: ['succession', 'clog'], voters: 5},
  },
  {
    name: 'reads are answered without asking whether this node still leads',
    file: `${RAFT}/leaderReads.ts`,
    find: 'if (!limits.leaseReads || leading.leaseBroken) return false;',
    replace: 'if (leading.ticks >= 0) return true;',
    schedule: {faults: ['sleepingLeader'], voters: 3},
  },
  {
    name: 'a read is confirmed by a round of heartbeats that began before it',
    file: `${RAFT}/leaderReads.ts`,
    find: 'leading.reads.push({context, from, index: core.log.committed, round: leading.round + 1});',
    replace: 'leading.reads.push({context, from, index: core.log.committed, round: leading.round});',
    schedule: {faults: ['sleepingLeader'], voters: 3},
  },
  {
    name: 'a leader answers from its own state, whoever leads by now',
    file: `${LOG}/replica.ts`,
    find: `if (this.isSoleVoter) return;
    if`,
    replace: `if (this.isLeader) return;
    if`,
    schedule: {faults: ['sleepingLeader', 'isolateLeader'], voters: 3},
  },
  {
    name: 'an entry of an earlier term is committed by counting (figure 8)',
    file: `${RAFT}/leader.ts`,
    find: 'if (index <= before || log.term(index) !== core.term) return;',
    replace: 'if (index <= before) return;',
    schedule: {faults: ['figure8'], voters: 5},
    seeds: [12],
  },
  {
    name: 'a new leader changes the members before anything of its term is committed',
    file: `${RAFT}/raftCore.ts`,
    find: 'this.leading = new Leadership(log.lastIndex + 1, log.applied, limits);',
    replace: 'this.leading = new Leadership(0, log.applied, limits);',
    schedule: {faults: ['membership', 'slowDisk', 'succession'], voters: 3},
    seeds: [15],
  },
  {
    name: 'of a joint configuration only the majority of the new voters counts',
    file: `${RAFT}/quorum.ts`,
    find: 'return outgoing.length === 0 ? index : Math.min(index, quorumIndex(outgoing.map(indexOf)));',
    replace: 'return index;',
    schedule: {faults: ['jointSplit'], voters: 3},
  },
  {
    name: 'a proposal that comes twice is applied twice',
    file: `${STORE}/appliedProposals.ts`,
    find: 'const isNew = sequence > client.settled && !client.applied.has(sequence);',
    replace: 'const isNew = true;',
    schedule: {faults: ['weather', 'succession'], voters: 3},
  },
  {
    name: 'a snapshot that went silent keeps out all others',
    file: `${LOG}/peers/snapshotReceiver.ts`,
    find: 'clock.schedule(settings.snapshotPatienceMs, () => channel.terminate(), {background: true})',
    replace: 'clock.schedule(settings.snapshotPatienceMs, () => undefined, {background: true})',
    schedule: {faults: ['succession', 'clog'], voters: 7},
  },
  {
    name: 'folders are not flushed after a rename, a creation or a removal',
    file: 'test/simulation/world/pacedDisk.ts',
    find: "return this.run('syncFolder', () => this.disk.syncFolder(folder));",
    replace: "return this.run('syncFolder', async () => void folder);",
    schedule: {faults: ['powerLoss', 'restartStorm'], voters: 3},
  },
  {
    name: 'the log is not flushed',
    file: `${LOG}/logWriter.ts`,
    find: "if (!this.durable && this.parts.settings.sync !== 'unsafeNone') await segment.file.sync();",
    replace: '',
    seeds: [2],
  },
  {
    name: 'a damaged frame is taken for a torn one',
    file: `${LOG}/logRecovery.ts`,
    find: '    const later = findLaterFrame(',
    replace: `    if (frame.kind === 'bad') return {offset, truncated: 'taken for torn'};
    const later = findLaterFrame(`,
    schedule: {faults: ['bitRot'], voters: 3},
  },
  {
    name: 'an entry that the snapshot covers is applied again',
    file: `${LOG}/logRecovery.ts`,
    find: 'if (entry.index > covered) scan.entries.push(entry);',
    replace: 'if (entry.index >= covered) scan.entries.push(entry);',
  },
  {
    name: 'the log before a received snapshot comes back after a restart',
    file: `${LOG}/logRecovery.ts`,
    find: `  scan.entries.length = 0;
  scan.nextIndex = index + 1;
`,
    replace: '',
  },
  {
    name: 'a received snapshot that cannot be read is taken for one that never came',
    file: `${LOG}/logRecovery.ts`,
    find: 'if (snapshots.named.has(index))',
    replace: 'if (index === 0)',
    schedule: {faults: ['bitRot', 'powerLoss', 'succession'], voters: 3},
    seeds: [48, 75],
  },
  {
    name: 'a segment is deleted while its entries are needed',
    file: `${LOG}/logWriter.ts`,
    find: 'if (!oldest || oldest.lastIndex > index) break;',
    replace: 'if (!oldest) break;',
    schedule: {faults: ['bitRot'], voters: 3},
  },
  {
    name: 'the name of a received snapshot is not flushed',
    file: `${LOG}/snapshots.ts`,
    find: `    await this.disk.syncFolder(this.folder);
    this.keep({mark, bytes});
    await this.removeOld();
    return {mark, machine};`,
    replace: `    this.keep({mark, bytes});
    await this.removeOld();
    return {mark, machine};`,
    schedule: {faults: ['lateSnapshot'], voters: 3},
    seeds: [2],
  },
  {
    name: 'a snapshot forgets which keys belong to a lease',
    file: `${STORE}/stateSnapshot.ts`,
    find: "if (lease !== '') machine.leases.get(lease)?.keys.add(key);",
    replace: '',
    schedule: {faults: ['restartStorm'], voters: 3},
  },
  {
    name: 'a lease ends early after the machine slept',
    file: `${LOG}/leaseDeadlines.ts`,
    find: 'this.deadlines.set(id, deadline + pause)',
    replace: 'this.deadlines.set(id, deadline)',
    schedule: {faults: ['clock'], voters: 3},
  },
  {
    name: 'the next leader is told to end a lease that was due at the last one',
    file: `${LOG}/leaseKeeper.ts`,
    find: "expired: true}, 'whileLeading')",
    replace: "expired: true}, 'always')",
    schedule: {faults: ['dueLease'], voters: 3},
  },
  {
    name: 'a write that was given up is called refused',
    file: `${LOG}/pendingProposals.ts`,
    find: `    waiting.sentAt = now;
    waiting.mayApply = true;`,
    replace: '    waiting.sentAt = now;',
    schedule: {faults: ['oneWay'], voters: 3},
    seeds: [5],
  },
  {
    name: 'a comparison fails and the transaction goes on',
    file: `${STORE}/stateMachine.ts`,
    find: 'return (compares ?? []).every(compare =>',
    replace: 'return (compares ?? []).every(compare => compare ||',
  },
  {
    name: 'a watch that resumes loses a revision',
    file: `${STORE}/watchHub.ts`,
    find: 'if (from > this.delivered) this.join(watcher);',
    replace: 'if (from >= this.delivered) this.join(watcher);',
  },
  {
    name: 'a watch gets a revision twice after a replay',
    file: `${STORE}/watchHub.ts`,
    find: 'if (next > this.delivered) {',
    replace: 'if (next >= this.delivered) {',
  },
];

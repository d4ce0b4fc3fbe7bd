/** Proposals and reads of a node that does not lead: they go to the leader, and a leader takes them in. */
import {addRead} from './leaderReads.ts';
import type {Propose, ReadIndex, ReadIndexReply} from './messages.ts';
import type {RaftCore} from './raftCore.ts';
import type {DropReason, ProposeOutcome, ReadOutcome} from './types.ts';

export function propose(core: RaftCore, data: Uint8Array): ProposeOutcome {
  if (core.leading) {
    const reason = whyNot(core);
    if (reason) return {kind: 'dropped', reason};
    const {index, term} = core.append('command', data);
    return {kind: 'appended', index, term};
  }
  const to = core.leader;
  if (to === undefined) return {kind: 'dropped', reason: 'noLeader'};
  const {proposals} = core;
  if (proposals && (proposals.to !== to || proposals.bytes >= core.limits.maxMessageBytes))
    sendProposals(core);
  core.proposals ??= {to, data: [], bytes: 0};
  core.proposals.data.push(data);
  core.proposals.bytes += data.length;
  return {kind: 'forwarded', to};
}

/** What was proposed since the last `Ready` goes in as few messages as fit. */
export function sendProposals(core: RaftCore): void {
  if (!core.proposals) return;
  const {to, data} = core.proposals;
  core.proposals = undefined;
  core.send({kind: 'propose', to, from: core.id, data});
}

/** Never passed on a second time: two nodes that take each other for the leader would do so forever. */
export function handlePropose(core: RaftCore, message: Propose): void {
  const {leading} = core;
  if (!leading) return;
  for (const data of message.data) if (!whyNot(core)) core.append('command', data);
  leading.progress.get(message.from)?.awaits(core.log.lastIndex);
}

export function read(core: RaftCore): ReadOutcome {
  const {leading, leader} = core;
  const context = core.nextReadContext();
  if (leading) {
    const added = addRead(core, leading, {context, from: undefined});
    return added ? {kind: 'pending', context} : {kind: 'dropped', reason: 'overloaded'};
  }
  if (leader === undefined) return {kind: 'dropped', reason: 'noLeader'};
  core.forwardedReads.set(context, 0);
  core.send({kind: 'readIndex', to: leader, from: core.id, context});
  return {kind: 'pending', context};
}

export function handleReadIndex(core: RaftCore, {from, context}: ReadIndex): void {
  if (core.leading) addRead(core, core.leading, {context, from});
}

export function handleReadIndexReply(core: RaftCore, {context, index}: ReadIndexReply): void {
  if (core.forwardedReads.delete(context)) core.reads.push({kind: 'ready', context, index});
}

/** A question may have been lost; asked again, it gets an answer that is newer, which is as good. */
export function tickForwardedReads(core: RaftCore): void {
  for (const [context, age] of core.forwardedReads) {
    const isDue = age + 1 >= core.limits.electionTicks && core.leader !== undefined;
    core.forwardedReads.set(context, isDue ? 0 : age + 1);
    if (isDue && core.leader !== undefined)
      core.send({kind: 'readIndex', to: core.leader, from: core.id, context});
  }
}

function whyNot(core: RaftCore): DropReason | undefined {
  const {leading, limits} = core;
  if (!leading) return 'noLeader';
  if (leading.transfer) return 'transferring';
  if (!core.isVoter) return 'removed';
  return leading.uncommittedBytes >= limits.maxUncommittedBytes ? 'overloaded' : undefined;
}

/** How a node comes to lead: pre-vote, votes, and the order of a leader that hands over (§5.2, §5.4.1; §3.10, §4.2.3, §9.6 of the dissertation). */
import type {PreVoteRequest, VoteRequest} from './messages.ts';
import {voteResult} from './quorum.ts';
import type {RaftCore} from './raftCore.ts';
import type {CampaignOutcome, Position} from './types.ts';

/** Asks first whether an election can be won, so that a node which cannot does not disturb those who have a leader. */
export function campaign(core: RaftCore): CampaignOutcome {
  const refusal = whyNot(core) ?? (core.promised > 0 ? 'promised' : undefined);
  if (refusal) return {kind: 'refused', reason: refusal};
  core.becomePreCandidate();
  const {id: from, log} = core;
  for (const to of core.otherVoters)
    core.sendDurably({
      kind: 'preVote',
      to,
      from,
      term: core.term + 1,
      lastIndex: log.lastIndex,
      lastTerm: log.lastTerm,
    });
  countVote(core, core.id, true);
  return {kind: 'started'};
}

/** The leader vouches for this node: there is no need to ask, and nobody's patience with the leader counts. */
export function handleTimeoutNow(core: RaftCore): void {
  core.campaignDue = true;
  campaignIfDue(core);
}

/** The leader's order may have come before what it committed last was applied. */
export function campaignIfDue(core: RaftCore): void {
  if (core.campaignDue && whyNot(core) === undefined) requestVotes(core, true);
}

export function countVote(core: RaftCore, from: string, granted: boolean): void {
  if (!core.votes.has(from)) core.votes.set(from, granted);
  const result = voteResult(core.configuration, core.votes);
  if (result === 'lost') core.follow(undefined);
  else if (result === 'won' && core.role === 'preCandidate') requestVotes(core, false);
  else if (result === 'won') core.becomeLeader();
}

/** Answers without promising anything. The sender may be of any term. */
export function handlePreVote(core: RaftCore, message: PreVoteRequest): void {
  if (core.hearsLeader) return;
  replyPreVote(core, message, isFree(core, message) && isCurrent(core, message));
}

export function replyPreVote(core: RaftCore, message: PreVoteRequest, granted: boolean): void {
  const term = granted ? message.term : Math.max(core.term, message.term - 1);
  const {id: from, committedPosition: committed} = core;
  core.sendDurably({kind: 'preVoteReply', to: message.from, from, term, granted, committed});
}

export function replyVote(core: RaftCore, to: string, granted: boolean): void {
  const {id: from, term, committedPosition: committed} = core;
  core.sendDurably({kind: 'voteReply', to, from, term, granted, committed});
}

/** That an entry is committed is true whoever says it; who has it has everything before it alike. A leader counts for itself. */
export function learnCommit({log, role}: RaftCore, {index, term}: Position): void {
  if (role !== 'leader' && log.term(index) === term) log.commitTo(index);
}

/** The message is of the node's own term. One vote a term, and only for a log that is at least as far. */
export function handleVote(core: RaftCore, message: VoteRequest): void {
  const granted = isFree(core, message) && isCurrent(core, message);
  // The request may be a late copy of the one that made its sender the leader.
  if (granted && core.leader === undefined) {
    core.giveVote(message.from);
    core.follow(undefined);
    core.restartTimer();
  }
  replyVote(core, message.from, granted);
}

/** Two leaders of one term could be elected by majorities of configurations that are two changes apart. */
function whyNot(core: RaftCore): Extract<CampaignOutcome, {kind: 'refused'}>['reason'] | undefined {
  if (core.role === 'leader') return 'leading';
  if (!core.isVoter) return 'notVoter';
  if (core.installing || hasUnappliedChange(core)) return 'unapplied';
  return core.diskHung ? 'diskHung' : undefined;
}

function hasUnappliedChange({log}: RaftCore): boolean {
  for (let index = log.applied + 1; index <= log.committed; index++)
    if (log.at(index)?.kind === 'configuration') return true;
  return false;
}

function requestVotes(core: RaftCore, transfer: boolean): void {
  core.becomeCandidate();
  const {id: from, term, log} = core;
  const {lastIndex, lastTerm} = log;
  for (const to of core.otherVoters)
    core.sendDurably({kind: 'vote', to, from, term, lastIndex, lastTerm, transfer});
}

function isFree(core: RaftCore, message: PreVoteRequest | VoteRequest): boolean {
  if (message.term > core.term || core.vote === message.from) return true;
  return message.term === core.term && core.vote === '' && core.leader === undefined;
}

function isCurrent({log}: RaftCore, message: PreVoteRequest | VoteRequest): boolean {
  if (message.lastTerm !== log.lastTerm) return message.lastTerm > log.lastTerm;
  return message.lastIndex >= log.lastIndex;
}

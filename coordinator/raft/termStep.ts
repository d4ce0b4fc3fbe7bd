/** What a message's term means, before and whatever else it says (§5.1; §4.2.3, §9.6 of the dissertation). */
import {assert, unreachable} from '../runtime/assert.ts';
import {
  countVote,
  handlePreVote,
  handleTimeoutNow,
  handleVote,
  learnCommit,
  replyPreVote,
  replyVote,
} from './election.ts';
import {handleAppend, handleHeartbeat, handleInstallSnapshot} from './follower.ts';
import {handleAppendReply, handleHeartbeatReply} from './leader.ts';
import type {TermMessage} from './messages.ts';
import type {RaftCore} from './raftCore.ts';

export function stepTerm(core: RaftCore, message: TermMessage): void {
  if (message.term < core.term) answerOutdated(core, message);
  else if (message.kind === 'preVote') handlePreVote(core, message);
  else if (message.term === core.term) dispatch(core, message);
  else if (message.kind === 'preVoteReply' && message.granted) {
    if (core.role === 'preCandidate' && message.term === core.term + 1) countVote(core, message.from, true);
  } else if (message.kind !== 'vote' || message.transfer || !core.hearsLeader) {
    core.observeTerm(message.term);
    dispatch(core, message);
  }
}

/** The message is of the node's own term. */
function dispatch(core: RaftCore, message: TermMessage): void {
  switch (message.kind) {
    case 'append':
    case 'heartbeat':
    case 'installSnapshot':
      assert(core.role !== 'leader', `two leaders in term ${core.term}`);
      core.follow(message.from);
      if (message.kind === 'append') handleAppend(core, message);
      else if (message.kind === 'heartbeat') handleHeartbeat(core, message);
      else handleInstallSnapshot(core, message);
      break;
    case 'vote':
      handleVote(core, message);
      break;
    case 'timeoutNow':
      handleTimeoutNow(core);
      break;
    case 'voteReply':
      learnCommit(core, message.committed);
      if (core.role === 'candidate') countVote(core, message.from, message.granted);
      break;
    case 'preVoteReply':
      learnCommit(core, message.committed);
      if (core.role === 'preCandidate' && !message.granted) countVote(core, message.from, false);
      break;
    case 'appendReply':
      if (core.leading) handleAppendReply(core, core.leading, message);
      break;
    case 'heartbeatReply':
      if (core.leading) handleHeartbeatReply(core, core.leading, message);
      break;
    case 'preVote':
      break;
    default:
      unreachable(message);
  }
}

/**
 * A leader or a candidate of the past learns of the present term: without that, a node of a later term could neither follow nor be elected
 * (etcd issues 8243 and 8501).
 */
function answerOutdated(core: RaftCore, message: TermMessage): void {
  const {id: from, term, log} = core;
  const to = message.from;
  switch (message.kind) {
    case 'vote':
      replyVote(core, to, false);
      break;
    case 'preVote':
      replyPreVote(core, message, false);
      break;
    case 'append':
    case 'heartbeat':
    case 'installSnapshot': {
      const previousIndex = message.kind === 'append' ? message.previousIndex : log.committed;
      const index = log.committed;
      const refusal = {accepted: false, previousIndex, index, hintTerm: 0};
      core.sendDurably({kind: 'appendReply', to, from, term, ...refusal});
      break;
    }
    default:
  }
}

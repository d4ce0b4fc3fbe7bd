/** What a candidate does with the answers to its request (§5.2). */
import type {RaftCore} from './raftCore.ts';

/** Counts a vote; the majority decides either way. */
export function countVote(core: RaftCore, from: string, granted: boolean): void {
  if (!core.votes.has(from)) core.votes.set(from, granted);
  const answers = [...core.votes.values()];
  if (core.isQuorum(answers.filter(answer => answer).length)) core.becomeLeader();
  else if (core.isQuorum(answers.filter(answer => !answer).length)) core.follow(undefined);
}

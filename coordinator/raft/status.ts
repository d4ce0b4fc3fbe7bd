/** What a node shows of itself. */
import {isSettled} from './membership.ts';
import type {RaftCore} from './raftCore.ts';
import type {NodeStatus, ProgressStatus} from './types.ts';

export function statusOf(core: RaftCore): NodeStatus {
  const {id, role, term, vote, leader, log, configuration} = core;
  const progress = new Map<string, ProgressStatus>();
  for (const [member, {match, next, mode, active}] of core.leading?.progress ?? []) {
    const learner = configuration.learners.includes(member);
    progress.set(member, {match, next, mode, active, learner});
  }
  const {firstIndex, lastIndex, stable, committed, applied} = log;
  return {
    id,
    role,
    term,
    vote,
    leader,
    firstIndex,
    lastIndex,
    stable,
    committed,
    applied,
    configuration,
    settled: isSettled(core),
    progress,
  };
}

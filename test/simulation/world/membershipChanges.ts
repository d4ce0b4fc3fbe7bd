/** Changes of members that a person might ask for: one at a time, or several that go through a joint configuration. */
import {membersOf} from '../../../coordinator/raft/configuration.ts';
import type {Configuration, MembershipChange} from '../../../coordinator/raft/types.ts';
import type {Chance} from './chance.ts';

/** Voters that are left at least. */
const LEAST_VOTERS = 2;

export function drawChanges(
  configuration: Configuration,
  ids: readonly string[],
  chance: Chance,
): MembershipChange[] {
  const {voters, learners} = configuration;
  const outside = ids.filter(id => !membersOf(configuration).includes(id));
  const changes: MembershipChange[] = [];
  const newcomer = outside.length > 0 ? chance.pick(outside) : undefined;
  const learner = learners.length > 0 ? chance.pick(learners) : undefined;
  const leaver = voters.length > LEAST_VOTERS ? chance.pick(voters) : undefined;
  if (newcomer !== undefined && chance.happens(0.6))
    changes.push({action: chance.happens(0.5) ? 'addVoter' : 'addLearner', node: newcomer});
  if (learner !== undefined && chance.happens(0.5))
    changes.push({action: chance.happens(0.8) ? 'addVoter' : 'remove', node: learner});
  if (leaver !== undefined && (changes.length === 0 || chance.happens(0.4)))
    changes.push({action: chance.happens(0.8) ? 'remove' : 'addLearner', node: leaver});
  return changes;
}

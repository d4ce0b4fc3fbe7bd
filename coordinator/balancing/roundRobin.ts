/** Round robin over the free agents: whoever waited longest for work gets the next task. */
import {type PlacementRule, RuleBalancer, rankBy} from './strategy.ts';

export const roundRobin: PlacementRule = {
  name: 'round-robin',
  rank: candidates =>
    rankBy(
      candidates,
      candidate => ({lastPlaced: candidate.lastPlaced}),
      features => -(features['lastPlaced'] ?? 0),
    ),
};

export class RoundRobinLoadBalancer extends RuleBalancer {
  constructor() {
    super(roundRobin);
  }
}

/** Round robin over the free agents: whoever waited longest for work gets the next task. */
import {RuleBalancer, scoringRule} from './strategy.ts';

export const roundRobin = scoringRule({
  name: 'round-robin',
  features: ({lastPlaced}) => ({lastPlaced}),
  score: ({lastPlaced}) => -lastPlaced,
});

export class RoundRobinLoadBalancer extends RuleBalancer {
  constructor() {
    super(roundRobin);
  }
}

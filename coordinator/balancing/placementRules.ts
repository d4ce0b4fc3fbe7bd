/** The strategies that a plan may name: the four that are built in, and those that whoever embeds the coordinator registered. */
import {CoordinatorError} from '../runtime/errors.ts';
import {aiOptimized} from './aiOptimized.ts';
import {capabilityWeighted} from './capabilityWeighted.ts';
import {geographicAffinity} from './geographicAffinity.ts';
import {roundRobin} from './roundRobin.ts';
import {consultedRule, type LoadBalancingStrategy, type PlacementRule} from './strategy.ts';

const BUILT_IN = [roundRobin, capabilityWeighted, geographicAffinity, aiOptimized];
const RULES = new Map<string, PlacementRule>(BUILT_IN.map(rule => [rule.name, rule]));

export function placementRuleNames(): string[] {
  return [...RULES.keys()];
}

export function placementRule(name: string): PlacementRule | undefined {
  return RULES.get(name);
}

/**
 * Makes a strategy known under its name, for plans and people to choose. Every coordinator of a cluster needs it, since any may lead. Ends when
 * the answer is called. A strategy that answers later is waited for, for a limited time, and `capability-weighted` decides where it does not. Errors: `conflict` when the name is taken.
 */
export function registerStrategy(strategy: PlacementRule | LoadBalancingStrategy): () => void {
  const rule = 'optimize' in strategy ? consultedRule(strategy, capabilityWeighted) : strategy;
  if (RULES.has(rule.name))
    throw new CoordinatorError('conflict', `a strategy called "${rule.name}" is registered already`);
  RULES.set(rule.name, rule);
  return () => {
    if (RULES.get(rule.name) === rule) RULES.delete(rule.name);
  };
}

/** The placement rules that a plan may name. */
import {capabilityWeighted} from './capabilityWeighted.ts';
import {roundRobin} from './roundRobin.ts';
import type {PlacementRule} from './strategy.ts';

const RULES: ReadonlyMap<string, PlacementRule> = new Map(
  [roundRobin, capabilityWeighted].map(rule => [rule.name, rule]),
);

export const PLACEMENT_RULE_NAMES: readonly string[] = [...RULES.keys()];

export function placementRule(name: string): PlacementRule | undefined {
  return RULES.get(name);
}

/** Affinity between tasks: where a task may run, given where others ran or run. Pure. */
import type {AffinityRule} from '../../protocol/context.ts';
import type {AgentRecord} from '../../protocol/model/agent.ts';
import {fixedAffinity} from './requirements.ts';

/** Where a task runs now, or ran last. */
export type PlaceOf = (taskId: string) => {readonly id: string; readonly region: string} | undefined;

/** Whether the rule, required or preferred, holds for `agent`. Tasks that never ran bind nobody. */
export function affinityHolds(rule: AffinityRule, agent: AgentRecord, placeOf: PlaceOf): boolean {
  switch (rule.kind) {
    case 'region':
    case 'agent':
      return fixedAffinity(rule).every(requirement => requirement.meets(agent));
    case 'apart':
      return !places(rule, placeOf).some(place => place.id === agent.instance.id);
    case 'sameAgent': {
      const known = places(rule, placeOf);
      return known.length === 0 || known.some(place => place.id === agent.instance.id);
    }
    case 'sameRegion': {
      const known = places(rule, placeOf);
      return known.length === 0 || known.some(place => place.region === agent.instance.metadata.region);
    }
    default:
      return rule.kind satisfies never;
  }
}

/** True for rules that depend on other tasks' places, which change while the session runs. */
export function isBetweenTasks(rule: AffinityRule): boolean {
  return rule.kind === 'sameAgent' || rule.kind === 'sameRegion' || rule.kind === 'apart';
}

function places(rule: AffinityRule, placeOf: PlaceOf): {readonly id: string; readonly region: string}[] {
  return rule.with.flatMap(taskId => placeOf(taskId) ?? []);
}

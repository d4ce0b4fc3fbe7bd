/** Placement by distance: the time that moving the inputs takes, then the round trips to the hub, then how free the agent is. */
import {capabilityMatch, freeShare} from './capabilityWeighted.ts';
import {type Candidate, RuleBalancer, scoringRule} from './strategy.ts';

/** Bytes a millisecond inside a region and between two. */
export const BANDWIDTH = {near: 200_000, far: 10_000} as const;

/** An attempt talks with the hub about this often before it works. */
const ROUND_TRIPS = 20;

/** What a free agent, and one that declares more proficiency, is worth in seconds. */
const FREE_SECONDS = 1;
const MATCH_SECONDS = 2;

/** Milliseconds until the inputs are there. */
export function transferMs({nearBytes, farBytes}: Pick<Candidate, 'nearBytes' | 'farBytes'>): number {
  return nearBytes / BANDWIDTH.near + farBytes / BANDWIDTH.far;
}

export const geographicAffinity = scoringRule({
  name: 'geographic-affinity',
  features: (candidate, task) => ({
    transferMs: transferMs(candidate),
    rttMs: candidate.instance.healthcheck.responseTime,
    free: freeShare(candidate),
    match: capabilityMatch(candidate, task),
  }),
  score: (candidate, task) =>
    FREE_SECONDS * freeShare(candidate) +
    MATCH_SECONDS * capabilityMatch(candidate, task) -
    (transferMs(candidate) + ROUND_TRIPS * candidate.instance.healthcheck.responseTime) / 1000,
});

export class GeographicAffinityLoadBalancer extends RuleBalancer {
  constructor() {
    super(geographicAffinity);
  }
}

/** The modelled agents: how fast each really is at what, what it declares, and how its machine behaves over time. */
import {PROFICIENCY_LEVELS, type ProficiencyLevel} from '../../../coordinator/protocol/capability.ts';
import {type Chance, DRAW} from './chance.ts';
import {Timeline} from './timeline.ts';

export const CAPABILITIES = ['development', 'analysis', 'security', 'servicenow', 'design', 'operations'];
export const REGIONS = ['america', 'asia', 'europe', 'oceania'];

const MOST_SLOTS = 4;
const ALIKE_SLOTS = 2;
const SPEED_SIGMA = 0.4;
const LEAST_SPEED = 0.3;
const MOST_SPEED = 3;
const CLASS_SIGMA = 0.35;
const CAPABILITY_SHARE = 0.6;
const DECLARED_CORRELATION = 0.6;
export const FAILURE_SHARE = 0.06;
const FAILURE_SIGMA = 0.5;
const MOST_FAILURES = 0.5;
/** Of a standard normal. */
const QUARTILES = [-0.6745, 0, 0.6745];

export interface TaskClass {
  readonly name: string;
  /** Of a task of it, at speed 1. */
  readonly meanMs: number;
  /** Position in `CAPABILITIES`. */
  readonly capability: number;
}

export interface ModelledAgent {
  readonly index: number;
  readonly id: string;
  readonly slots: number;
  readonly region: number;
  /** By class: work done in a second of a good hour. */
  readonly rates: Float64Array;
  /** By capability. */
  readonly holds: readonly boolean[];
  readonly declared: readonly ProficiencyLevel[];
  /** By class: the share of tries whose gate fails. */
  readonly failures: Float64Array;
  readonly timeline: Timeline;
}

export interface FleetShape {
  readonly agents: number;
  readonly classes: readonly TaskClass[];
  /** One speed, every capability, the same declaration. What happens to their machines stays. */
  readonly alike: boolean;
  /** No failures, crashes, slow spells or drift. */
  readonly exact: boolean;
}

export function modelAgents(chance: Chance, shape: FleetShape): ModelledAgent[] {
  const agents = Array.from({length: shape.agents}, (_, index) => modelAgent(chance, shape, index));
  // Somebody holds each capability that is asked for.
  for (const {capability} of shape.classes) {
    if (agents.some(agent => agent.holds[capability])) continue;
    const chosen = agents[chance.integer(agents.length, DRAW.capability, -1, capability)] as ModelledAgent;
    (chosen.holds as boolean[])[capability] = true;
  }
  return agents;
}

function modelAgent(chance: Chance, shape: FleetShape, index: number): ModelledAgent {
  const {alike, exact, classes} = shape;
  const drawn = chance.lognormal(alike ? 0 : SPEED_SIGMA, DRAW.speed, index);
  const speed = Math.min(MOST_SPEED, Math.max(LEAST_SPEED, drawn));
  const ofClass = classes.map((_, at) =>
    chance.lognormal(alike ? 0 : CLASS_SIGMA, DRAW.classSpeed, index, at),
  );
  const failing = chance.lognormal(alike ? 0 : FAILURE_SIGMA, DRAW.failureOfAgent, index);
  // Lognormals of the median 1 have a larger mean.
  const scale = alike ? 1 : Math.exp(-(FAILURE_SIGMA ** 2));
  const failures = classes.map((_, at) => {
    const own = chance.lognormal(alike ? 0 : FAILURE_SIGMA, DRAW.failureOfClass, index, at);
    return exact ? 0 : Math.min(MOST_FAILURES, FAILURE_SHARE * scale * failing * own);
  });
  return {
    index,
    id: `agent-${index}`,
    slots: alike ? ALIKE_SLOTS : 1 + chance.integer(MOST_SLOTS, DRAW.slots, index),
    region: chance.integer(REGIONS.length, DRAW.region, index),
    rates: Float64Array.from(ofClass, factor => speed * factor),
    holds: CAPABILITIES.map(
      (_, at) => alike || chance.uniform(DRAW.capability, index, at) < CAPABILITY_SHARE,
    ),
    declared: CAPABILITIES.map((_, capability) =>
      alike
        ? 'intermediate'
        : declare(chance, index, capability, trueSkill(classes, speed, ofClass, capability)),
    ),
    failures: Float64Array.from(failures),
    timeline: new Timeline(chance, index, exact),
  };
}

/** How fast it is at what asks for the capability, in standard deviations of the fleet. */
function trueSkill(
  classes: readonly TaskClass[],
  speed: number,
  ofClass: readonly number[],
  capability: number,
): number {
  const logs = ofClass.filter((_, at) => classes[at]?.capability === capability).map(Math.log);
  if (logs.length === 0) return Math.log(speed) / SPEED_SIGMA;
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  return (Math.log(speed) + mean) / Math.hypot(SPEED_SIGMA, CLASS_SIGMA / Math.sqrt(logs.length));
}

function declare(chance: Chance, index: number, capability: number, skill: number): ProficiencyLevel {
  const own = Math.sqrt(1 - DECLARED_CORRELATION ** 2) * chance.normal(DRAW.declared, index, capability);
  const claimed = DECLARED_CORRELATION * skill + own;
  const level = QUARTILES.filter(bound => claimed > bound).length;
  return PROFICIENCY_LEVELS[level] as ProficiencyLevel;
}

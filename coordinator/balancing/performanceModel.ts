/**
 * What is learned from finished attempts: log(duration / estimate) as the sum of effects of the task's class, the agent, the agent on that
 * class, how the agent has been lately, its declared proficiency, and the estimate itself; and how often attempts fail. Online, constant work an observation, plain
 * numbers as its state. Knows no task and no clock: callers bring class, estimate and hub time.
 */

import type {Prediction} from '../protocol/strategy.ts';
import {age, type Effect, learn, newEffect, type Prior} from './effect.ts';
import {countEstimate, deviation, newUsual, type UsualEstimate} from './estimates.ts';
import {count, newOdds, type Odds, shrunkRate} from './odds.ts';
import {newSpell, type Spell, sawEnd, slowAt, slowness} from './spells.ts';

export type {Prediction} from '../protocol/strategy.ts';

const HOUR = 3_600_000;

export const PRIORS = {
  class: {variance: 1, halfLifeMs: 30 * 24 * HOUR},
  agent: {variance: 0.22, halfLifeMs: 24 * HOUR},
  cell: {variance: 0.12, halfLifeMs: 24 * HOUR},
  proficiency: {variance: 0.05, halfLifeMs: 30 * 24 * HOUR},
  slope: {variance: 0.1, halfLifeMs: 30 * 24 * HOUR},
} as const satisfies Readonly<Record<string, Prior>>;

/** Variance of a single try about what is expected of it, until tries have shown it. */
const FIRST_NOISE = 0.4;
const NOISE_MEMORY = 200;
/** Failures of a try, until tries have shown more. */
const FIRST_FAILURE_RATE = 0.05;
const LEAST_CLASS_TRIES = 3;

export interface Observation {
  readonly agentId: string;
  readonly taskClass: string;
  /** What the attempt was expected to take before anything was learned, in ms. */
  readonly estimateMs: number;
  readonly durationMs: number;
  /** `stopped`: it was ended from outside; its duration is the least that it would have taken. */
  readonly outcome: 'succeeded' | 'failed' | 'stopped';
  /** -1 (basic) to 1 (specialist); 0 when nothing was declared. */
  readonly proficiency: number;
}

export interface ClassTraits {
  readonly effect: Effect;
  readonly odds: Odds;
}

export interface KnownClass extends ClassTraits {
  readonly usual: UsualEstimate;
}

export interface AgentTraits {
  readonly effect: Effect;
  readonly spell: Spell;
  readonly odds: Odds;
  readonly cells: Map<string, ClassTraits>;
}

export class PerformanceModel {
  readonly classes = new Map<string, KnownClass>();
  readonly agents = new Map<string, AgentTraits>();
  readonly proficiency: Effect = newEffect(PRIORS.proficiency, 0);
  /** Of log(duration / estimate) over the deviation of the estimate from what is usual for its class. */
  readonly slope: Effect = newEffect(PRIORS.slope, 0);
  readonly odds: Odds = newOdds(0);
  noise = FIRST_NOISE;
  /** Attempts that were seen. */
  observations = 0;

  observe(observation: Observation, now: number): void {
    const {agentId, taskClass, estimateMs, durationMs, outcome, proficiency} = observation;
    const traits = this.classOf(taskClass, now);
    const agent = this.agentOf(agentId, now);
    const cell = cellOf(agent, taskClass, now);
    this.ageAll(traits, agent, cell, now);
    const effects = [traits.effect, agent.effect, cell.effect, this.proficiency, this.slope];
    const weights = [1, 1, 1, proficiency, deviation(traits.usual, estimateMs)];
    const expected = effects.reduce((sum, {mean}, index) => sum + mean * (weights[index] ?? 0), 0);
    // What is not known yet is no spell.
    const doubted = effects.reduce(
      (sum, {variance}, index) => sum + variance * (weights[index] ?? 0) ** 2,
      0,
    );
    const took = Math.log(Math.max(1, durationMs) / Math.max(1, estimateMs));
    const isStopped = outcome === 'stopped';
    if (isStopped && took <= expected + slowness(slowAt(agent.spell, now))) return;
    sawEnd(agent.spell, took - expected, this.noise + doubted, now);
    const observed = took - slowness(agent.spell.slow);
    if (isStopped) {
      learn(effects, weights, observed, this.noise);
      return;
    }
    this.observations += 1;
    countEstimate(traits.usual, estimateMs);
    const {surprise, doubt} = learn(effects, weights, observed, this.noise);
    const shown = Math.min(4, Math.max(0.02, surprise * surprise - doubt));
    this.noise += (shown - this.noise) / Math.min(NOISE_MEMORY, 20 + this.observations);
    const failed = outcome === 'failed';
    for (const odds of [this.odds, traits.odds, agent.odds, cell.odds]) count(odds, failed, now);
  }

  predict(
    agentId: string,
    taskClass: string,
    estimateMs: number,
    proficiency: number,
    now: number,
  ): Prediction {
    const traits = this.agents.get(agentId);
    const logRatio = this.logRatio(agentId, taskClass, proficiency, now);
    return {
      durationMs: this.typicalMs(taskClass, estimateMs, now) * Math.exp(logRatio),
      success: 1 - this.failureRate(agentId, taskClass),
      ratio: Math.exp(logRatio),
      doubt: Math.sqrt(this.doubtOf(agentId, taskClass, now)),
      n: traits?.cells.get(taskClass)?.effect.n ?? 0,
    };
  }

  /** What the agent adds to the logarithm of a duration of the class. */
  logRatio(agentId: string, taskClass: string, proficiency: number, now: number): number {
    const declared = proficiency * this.proficiency.mean;
    const agent = this.agents.get(agentId);
    if (!agent) return declared;
    const cell = agent.cells.get(taskClass);
    age(agent.effect, PRIORS.agent, now);
    if (cell) age(cell.effect, PRIORS.cell, now);
    return declared + agent.effect.mean + (cell?.effect.mean ?? 0) + slowness(slowAt(agent.spell, now));
  }

  /** How likely the agent has one of its slow spells, from what has ended there. */
  slowOf(agentId: string, now: number): number {
    return slowAt(this.agents.get(agentId)?.spell ?? newSpell(now), now);
  }

  /** Variance of the doubt about `logRatio`. */
  doubtOf(agentId: string, taskClass: string, now: number): number {
    const agent = this.agents.get(agentId);
    if (!agent) return PRIORS.agent.variance + PRIORS.cell.variance;
    age(agent.effect, PRIORS.agent, now);
    return agent.effect.variance + (agent.cells.get(taskClass)?.effect.variance ?? PRIORS.cell.variance);
  }

  /** Mean duration of a task of the class on an agent of which nothing is known. */
  typicalMs(taskClass: string, estimateMs: number, now: number): number {
    return estimateMs * this.classFactor(taskClass, now) * this.estimateFactor(taskClass, estimateMs);
  }

  /** What the size of the estimate, among those of its class, adds to the mean duration over estimate. */
  estimateFactor(taskClass: string, estimateMs: number): number {
    const usual = this.classes.get(taskClass)?.usual;
    return usual ? Math.exp(this.slope.mean * deviation(usual, estimateMs)) : 1;
  }

  /** Mean duration over estimate where the estimate is usual, of the class on an agent of which nothing is known. */
  classFactor(taskClass: string, now: number): number {
    const traits = this.classes.get(taskClass);
    if (traits) age(traits.effect, PRIORS.class, now);
    return Math.exp((traits?.effect.mean ?? 0) + this.noise / 2);
  }

  /** Nothing learned of the class yet: 0 effect. Enough: a few attempts. */
  knowsClass(taskClass: string): boolean {
    return (this.classes.get(taskClass)?.effect.n ?? 0) >= LEAST_CLASS_TRIES;
  }

  failureRate(agentId: string, taskClass: string): number {
    const overall = shrunkRate(this.odds, FIRST_FAILURE_RATE, 20);
    const traits = this.classes.get(taskClass);
    const ofClass = traits ? shrunkRate(traits.odds, overall, 20) : overall;
    const agent = this.agents.get(agentId);
    if (!agent) return ofClass;
    const ofAgent = shrunkRate(agent.odds, ofClass, 12);
    const cell = agent.cells.get(taskClass);
    return cell ? shrunkRate(cell.odds, ofAgent, 12) : ofAgent;
  }

  /** The agent will not come back. */
  forget(agentId: string): void {
    this.agents.delete(agentId);
  }

  private ageAll(traits: ClassTraits, agent: AgentTraits, cell: ClassTraits, now: number): void {
    age(traits.effect, PRIORS.class, now);
    age(agent.effect, PRIORS.agent, now);
    age(cell.effect, PRIORS.cell, now);
    age(this.proficiency, PRIORS.proficiency, now);
    age(this.slope, PRIORS.slope, now);
  }

  private classOf(taskClass: string, now: number): KnownClass {
    let traits = this.classes.get(taskClass);
    if (!traits) {
      traits = {effect: newEffect(PRIORS.class, now), odds: newOdds(now), usual: newUsual()};
      this.classes.set(taskClass, traits);
    }
    return traits;
  }

  private agentOf(agentId: string, now: number): AgentTraits {
    let traits = this.agents.get(agentId);
    if (!traits) {
      traits = {
        effect: newEffect(PRIORS.agent, now),
        spell: newSpell(now),
        odds: newOdds(now),
        cells: new Map(),
      };
      this.agents.set(agentId, traits);
    }
    return traits;
  }
}

function cellOf(agent: AgentTraits, taskClass: string, now: number): ClassTraits {
  let cell = agent.cells.get(taskClass);
  if (!cell) {
    cell = {effect: newEffect(PRIORS.cell, now), odds: newOdds(now)};
    agent.cells.set(taskClass, cell);
  }
  return cell;
}

/** A performance model that was told the truth: every agent's real speed at every class, and how often its gates fail. It learns nothing. */
import {newEffect} from '../../../coordinator/balancing/effect.ts';
import {newOdds} from '../../../coordinator/balancing/odds.ts';
import {PerformanceModel, PRIORS} from '../../../coordinator/balancing/performanceModel.ts';
import {TRY_SIGMA, type World} from './world.ts';

/** Variance of tries about the median, and of estimates about the truth. */
const NOISE = TRY_SIGMA ** 2 + 0.4 ** 2;

/** Of the logarithms of sizes within a class, and of estimates about the sizes; zeros: it takes estimates for the truth. */
export interface KnownSpread {
  readonly sizeSigma: number;
  readonly estimateSigma: number;
}

const NOTHING: KnownSpread = {sizeSigma: 0, estimateSigma: 0};

export class TrueModel extends PerformanceModel {
  /** By class name: by agent id. */
  private readonly slowness = new Map<string, ReadonlyMap<string, number>>();
  private readonly failures = new Map<string, ReadonlyMap<string, number>>();
  private readonly typical = new Map<string, number>();

  constructor(world: World, {sizeSigma, estimateSigma}: KnownSpread = NOTHING) {
    super();
    this.observations = Number.MAX_SAFE_INTEGER;
    this.noise = world.shape.exact ? 0.001 : NOISE;
    const share = estimateSigma === 0 ? 0 : estimateSigma ** 2 / (sizeSigma ** 2 + estimateSigma ** 2);
    this.slope.mean = -share;
    if (share > 0) this.noise = TRY_SIGMA ** 2 + share * sizeSigma ** 2;
    world.classes.forEach(({name, meanMs}, at) => {
      const usual = {log: Math.log(meanMs) - sizeSigma ** 2 / 2, n: share > 0 ? 1 : 0};
      this.classes.set(name, {effect: newEffect(PRIORS.class, 0), odds: newOdds(0), usual});
      const slowness = new Map(world.agents.map(({id, rates}) => [id, 1 / (rates[at] ?? 1)]));
      this.slowness.set(name, slowness);
      this.failures.set(name, new Map(world.agents.map(({id, failures}) => [id, failures[at] ?? 0])));
      const sum = [...slowness.values()].reduce((total, each) => total + each, 0);
      this.typical.set(name, sum / world.agents.length);
    });
  }

  override observe(): void {}

  override logRatio(agentId: string, taskClass: string): number {
    const typical = this.typical.get(taskClass) ?? 1;
    return Math.log((this.slowness.get(taskClass)?.get(agentId) ?? typical) / typical);
  }

  override doubtOf(): number {
    return 0;
  }

  override classFactor(taskClass: string): number {
    return (this.typical.get(taskClass) ?? 1) * Math.exp(this.noise / 2);
  }

  override knowsClass(): boolean {
    return true;
  }

  override failureRate(agentId: string, taskClass: string): number {
    return this.failures.get(taskClass)?.get(agentId) ?? 0;
  }
}

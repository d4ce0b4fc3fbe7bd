/** One world from one seed: its agents, its tasks, and how each try of a task on an agent would go. No policy can change any of it. */
import {type FleetShape, type ModelledAgent, modelAgents, REGIONS, type TaskClass} from './agents.ts';
import {Chance, DRAW} from './chance.ts';

export const TRY_SIGMA = 0.5;
const STUCK_SHARE = 0.02;
const LEAST_STUCK = 4;
const MOST_STUCK = 10;
/** Of one task on one agent in a day. */
const MOST_TRIES = 100_000;
/** What the noise of tries and stuck ones add to the mean. */
export const USUAL_TRY =
  Math.exp(TRY_SIGMA ** 2 / 2) * (1 + STUCK_SHARE * ((LEAST_STUCK + MOST_STUCK) / 2 - 1));

export const SETUP_MS = 15_000;
/** An agent that has worked on the project within this time needs no set-up. */
export const WARM_MS = 1_800_000;

const NEAR_MS = 5;
const LEAST_FAR_MS = 130;
const MOST_FAR_MS = 270;
const NEAR_BYTES_PER_MS = 200_000;
const FAR_BYTES_PER_MS = 10_000;

/** Where the coordinator is, and with it what projects start from. */
export const HUB_REGION = 0;

/** Something that must be on the agent's machine before it starts. */
export interface Input {
  /** The task that made it; undefined: the coordinator has it. */
  readonly parent: number | undefined;
  readonly bytes: number;
}

export interface ModelledTask {
  readonly index: number;
  readonly id: string;
  readonly class: number;
  readonly project: number;
  /** True work at speed 1; the tries of it vary around this. */
  readonly sizeMs: number;
  /** What the coordinator is told. */
  readonly estimateMs: number;
  readonly arrivesAt: number;
  readonly inputs: readonly Input[];
  /** By index. */
  readonly parents: readonly number[];
}

export interface Try {
  /** Work at the agent's pace 1, its speed at the class included. */
  readonly workMs: number;
  readonly isFailing: boolean;
}

export class World {
  readonly chance: Chance;
  readonly agents: readonly ModelledAgent[];
  private readonly latencies: number[][];

  constructor(
    seed: number,
    readonly shape: FleetShape,
    private readonly day = 0,
  ) {
    this.chance = new Chance(seed);
    this.agents = modelAgents(this.chance, shape);
    this.latencies = REGIONS.map((_, from) => REGIONS.map((__, to) => this.latency(from, to)));
  }

  get classes(): readonly TaskClass[] {
    return this.shape.classes;
  }

  /** The same agents and tasks on another day: tries go differently. */
  onDay(day: number): World {
    return new World(this.chance.seed, this.shape, day);
  }

  canRun(agent: ModelledAgent, task: Pick<ModelledTask, 'class'>): boolean {
    return agent.holds[this.shape.classes[task.class]?.capability ?? -1] ?? false;
  }

  /** The `count`th try of the task on this agent. */
  tryOf(task: ModelledTask, agent: ModelledAgent, count: number): Try {
    const workMs = this.usualMs(task, agent);
    if (this.shape.exact) return {workMs, isFailing: false};
    const keys = [task.index, agent.index, count + MOST_TRIES * this.day] as const;
    const stuck =
      this.chance.uniform(DRAW.stuck, ...keys) < STUCK_SHARE
        ? LEAST_STUCK + (MOST_STUCK - LEAST_STUCK) * this.chance.uniform(DRAW.stuckFactor, ...keys)
        : 1;
    return {
      workMs: workMs * stuck * this.chance.lognormal(TRY_SIGMA, DRAW.noise, ...keys),
      isFailing: this.chance.uniform(DRAW.fails, ...keys) < (agent.failures[task.class] ?? 0),
    };
  }

  /** Median work of a try. */
  usualMs(task: ModelledTask, agent: ModelledAgent): number {
    return task.sizeMs / (agent.rates[task.class] ?? 1);
  }

  roundTripMs(from: number, to: number): number {
    return this.latencies[from]?.[to] ?? 0;
  }

  transferMs(from: number, to: number, bytes: number): number {
    return this.roundTripMs(from, to) + bytes / (from === to ? NEAR_BYTES_PER_MS : FAR_BYTES_PER_MS);
  }

  private latency(from: number, to: number): number {
    if (from === to) return NEAR_MS;
    const drawn = this.chance.uniform(DRAW.latency, Math.min(from, to), Math.max(from, to));
    return LEAST_FAR_MS + (MOST_FAR_MS - LEAST_FAR_MS) * drawn;
  }
}

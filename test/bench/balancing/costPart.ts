/** What deciding costs: single decisions of a busy fleet, whole fleets given work at once, and the work of more and more tasks. */
import {openWorld} from './arrivals.ts';
import {CentralQueue} from './centralQueue.ts';
import {Chance, DRAW} from './chance.ts';
import {type Placer, type Run, Simulation, type Start} from './simulation.ts';
import type {ModelledTask} from './world.ts';

const STRATEGY = 'ai-optimized';
export const QUEUED = 10_000;
const WARM_UP = 2000;
const DECISIONS = 10_000;
const REPEATS = 3;
const ROUNDS = 5;
const PACE_MS = 50;

export interface DecisionCost {
  /** Of each decision: the end of an attempt, what is learned of it, and where the next task goes. */
  readonly us: readonly number[];
}

/**
 * A fleet with every slot taken: one attempt ends, one task arrives, the free slot is given away. The same decisions are made several times and
 * of each the quickest counts, since whatever else the machine does only adds.
 */
export function measureDecisions(agents: number, strategy = STRATEGY): DecisionCost {
  const repeats = Array.from({length: REPEATS}, () => decisionsOnce(agents, strategy));
  return {us: (repeats[0] ?? []).map((_, at) => Math.min(...repeats.map(us => us[at] ?? 0)))};
}

function decisionsOnce(agents: number, strategy: string): number[] {
  const fleet = new BusyFleet(agents, QUEUED + WARM_UP + DECISIONS + 4 * agents, strategy);
  fleet.fill(QUEUED);
  const us: number[] = [];
  for (let count = 0; count < WARM_UP + DECISIONS; count++) {
    const took = fleet.decide(PACE_MS);
    if (count >= WARM_UP) us.push(took);
  }
  return us;
}

/** Assignments in a second of CPU time when every slot of the fleet comes free at once, by round. */
export function measureBursts(agents: number, strategy = STRATEGY): number[] {
  const most = 4 * agents;
  const fleet = new BusyFleet(agents, (ROUNDS + 3) * most, strategy);
  fleet.fill(most);
  const rates: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const {assigned, ms} = fleet.burst();
    if (round > 0) rates.push((assigned / ms) * 1000);
  }
  return rates;
}

/** CPU milliseconds of placement for so many tasks that are all there from the start. */
export function measureGrowth(agents: number, size: number, strategy = STRATEGY): number {
  const {world, tasks} = openWorld({seed: 1, agents, alike: false, load: 1, tasks: size});
  const timed = new Timed(new CentralQueue(world, {strategy, backups: true}));
  const atOnce = tasks.map(task => ({...task, arrivesAt: 0}));
  new Simulation(world, atOnce, timed).run();
  return timed.spentMs;
}

/** The power of the size with which the cost grows: the slope of a line through the logarithms. */
export function growthExponent(sizes: readonly number[], costs: readonly number[]): number {
  const xs = sizes.map(Math.log);
  const ys = costs.map(Math.log);
  const mean = (list: readonly number[]): number => list.reduce((sum, each) => sum + each, 0) / list.length;
  const [x, y] = [mean(xs), mean(ys)];
  const covariance = xs.reduce((sum, each, at) => sum + (each - x) * ((ys[at] ?? 0) - y), 0);
  return covariance / xs.reduce((sum, each) => sum + (each - x) ** 2, 0);
}

/** Attempts end in a drawn order; how long they took is as good as any for learning. */
class BusyFleet {
  private readonly queue: CentralQueue;
  private readonly tasks: readonly ModelledTask[];
  private readonly running: Run[] = [];
  private readonly chance = new Chance(1);
  private next = 0;
  private now = 0;
  private draws = 0;

  constructor(agents: number, tasks: number, strategy: string) {
    const open = openWorld({seed: 1, agents, alike: false, load: 1, tasks});
    this.tasks = open.tasks;
    // Whether stragglers are looked for is no part of a decision: that goes by time.
    this.queue = new CentralQueue(open.world, {strategy});
  }

  /** All slots taken, and so many tasks left in the queue. */
  fill(queued: number): void {
    while (this.queue.queue.size < queued) {
      while (this.queue.queue.size < queued) this.arrive();
      this.start(this.queue.place(this.now));
    }
  }

  /** Microseconds. */
  decide(paceMs: number): number {
    this.now += paceMs;
    this.arrive();
    this.draws += 1;
    const at = this.chance.integer(this.running.length, DRAW.noise, this.draws);
    const [run] = this.running.splice(at, 1);
    if (!run) throw new Error('nothing runs');
    const from = performance.now();
    this.queue.ended(run, 'accepted', this.now);
    const starts = this.queue.place(this.now);
    const tookMs = performance.now() - from;
    this.start(starts);
    return tookMs * 1000;
  }

  burst(): {readonly assigned: number; readonly ms: number} {
    this.now += 60_000;
    const runs = this.running.splice(0);
    for (const run of runs) this.queue.ended(run, 'accepted', this.now);
    for (let arrived = 0; arrived < runs.length; arrived++) this.arrive();
    const from = cpuMs();
    const starts = this.queue.place(this.now);
    const ms = cpuMs() - from;
    this.start(starts);
    return {assigned: starts.length, ms};
  }

  private arrive(): void {
    const task = this.tasks[this.next];
    if (!task) throw new Error('there are no more tasks');
    this.next += 1;
    this.queue.ready(task, this.now);
  }

  private start(starts: readonly Start[]): void {
    for (const start of starts) {
      const run = {...start, startedAt: this.now};
      this.queue.started(run);
      this.running.push(run);
    }
  }
}

/** What this process has used: whatever else the machine does counts for nothing. Collection of garbage beside it is in it. */
function cpuMs(): number {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1000;
}

/** Measures the CPU time that a policy takes for all that it is told and asked. */
class Timed implements Placer {
  spentMs = 0;

  constructor(private readonly placer: Placer) {}

  ready(...given: Parameters<Placer['ready']>): void {
    this.timed(() => this.placer.ready(...given));
  }

  place(...given: Parameters<Placer['place']>): readonly Start[] {
    return this.timed(() => this.placer.place(...given));
  }

  started(...given: Parameters<Placer['started']>): void {
    this.timed(() => this.placer.started(...given));
  }

  ended(...given: Parameters<Placer['ended']>): void {
    this.timed(() => this.placer.ended(...given));
  }

  down(...given: Parameters<Placer['down']>): void {
    this.timed(() => this.placer.down(...given));
  }

  up(...given: Parameters<Placer['up']>): void {
    this.timed(() => this.placer.up(...given));
  }

  private timed<T>(run: () => T): T {
    const from = cpuMs();
    try {
      return run();
    } finally {
      this.spentMs += cpuMs() - from;
    }
  }
}

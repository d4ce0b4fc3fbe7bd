/** Early binding: a task goes to an agent's own queue as soon as it is ready, and waits there. What a coordinator without a central queue does. */
import type {ModelledAgent} from './agents.ts';
import type {Placer, Run, Start} from './simulation.ts';
import type {ModelledTask, World} from './world.ts';

/** An agent that takes tasks, with what is bound to it. */
export interface BoundAgent {
  readonly agent: ModelledAgent;
  readonly waiting: ModelledTask[];
  running: number;
  isUp: boolean;
}

/** One of `able`, which is never empty. */
export type Choose = (able: readonly BoundAgent[]) => BoundAgent;

/** Whoever comes next in the ring, whatever it has to do. */
export function inTurns(agents: number): Choose {
  let last = -1;
  return able => {
    const distance = ({agent}: BoundAgent): number => (agent.index - last - 1 + 2 * agents) % agents;
    const next = able.reduce((best, each) => (distance(each) < distance(best) ? each : best));
    last = next.agent.index;
    return next;
  };
}

/** The least work for each slot, by number of tasks. */
export function leastLoaded(): Choose {
  const load = ({agent, waiting, running}: BoundAgent): number => (waiting.length + running) / agent.slots;
  return able => able.reduce((best, each) => (load(each) < load(best) ? each : best));
}

export class OwnQueues implements Placer {
  private readonly bound: BoundAgent[];
  private readonly changed = new Set<BoundAgent>();

  constructor(
    private readonly world: World,
    private readonly choose: Choose,
  ) {
    this.bound = world.agents.map(agent => ({agent, waiting: [], running: 0, isUp: true}));
  }

  ready(task: ModelledTask): void {
    const able = this.bound.filter(({agent}) => this.world.canRun(agent, task));
    const up = able.filter(({isUp}) => isUp);
    const chosen = this.choose(up.length > 0 ? up : able);
    chosen.waiting.push(task);
    this.changed.add(chosen);
  }

  place(): Start[] {
    const starts: Start[] = [];
    for (const bound of this.changed) {
      const free = bound.isUp ? bound.agent.slots - bound.running : 0;
      for (const task of bound.waiting.splice(0, free)) starts.push({task, agent: bound.agent});
    }
    this.changed.clear();
    return starts;
  }

  started({agent}: Run): void {
    this.of(agent).running += 1;
  }

  ended({agent}: Run): void {
    const bound = this.of(agent);
    bound.running -= 1;
    this.changed.add(bound);
  }

  down(agent: ModelledAgent): void {
    this.of(agent).isUp = false;
  }

  up(agent: ModelledAgent): void {
    const bound = this.of(agent);
    bound.isUp = true;
    this.changed.add(bound);
  }

  private of(agent: ModelledAgent): BoundAgent {
    return this.bound[agent.index] as BoundAgent;
  }
}

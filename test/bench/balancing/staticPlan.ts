/** A fixed plan as a policy: every slot works off its tasks in the planned order, come what may. */
import type {ModelledAgent} from './agents.ts';
import {heft, type StaticPlan} from './heft.ts';
import type {Placer, Run, RunEnd, Start} from './simulation.ts';
import type {ModelledTask, World} from './world.ts';

export interface Slot {
  readonly agent: ModelledAgent;
  readonly order: ModelledTask[];
  isBusy: boolean;
}

/** Each slot is a machine; costs are the true medians. */
export function planWithTrueCosts(world: World, tasks: readonly ModelledTask[]): StaticPlan {
  const machines = world.agents.flatMap(agent => Array.from({length: agent.slots}, () => agent));
  const bytesOf = (parent: number, task: number): number =>
    tasks[task]?.inputs.find(input => input.parent === parent)?.bytes ?? 0;
  const regionOf = (machine: number): number => machines[machine]?.region ?? 0;
  const {agents} = world;
  return heft({
    tasks: tasks.length,
    machines: machines.length,
    parents: tasks.map(task => task.parents),
    cost: (index, machine) => {
      const task = tasks[index] as ModelledTask;
      const agent = machines[machine] as ModelledAgent;
      return world.canRun(agent, task) ? world.usualMs(task, agent) : Number.POSITIVE_INFINITY;
    },
    transfer: (parent, task, from, to) =>
      machines[from] === machines[to]
        ? 0
        : world.transferMs(regionOf(from), regionOf(to), bytesOf(parent, task)),
    usualTransfer: (parent, task) => {
      const bytes = bytesOf(parent, task);
      const sample = agents.map(({region}) => world.transferMs(agents[0]?.region ?? 0, region, bytes));
      return sample.reduce((sum, ms) => sum + ms, 0) / sample.length;
    },
  });
}

export class FixedPlan implements Placer {
  private readonly slots: Slot[];
  private readonly slotOf = new Map<ModelledTask, Slot>();
  private readonly isReady = new Set<ModelledTask>();
  private readonly isDown = new Set<ModelledAgent>();

  constructor(world: World, tasks: readonly ModelledTask[]) {
    const {orders} = planWithTrueCosts(world, tasks);
    const agents = world.agents.flatMap(agent => Array.from({length: agent.slots}, () => agent));
    this.slots = agents.map((agent, machine) => ({
      agent,
      order: (orders[machine] ?? []).map(index => tasks[index] as ModelledTask),
      isBusy: false,
    }));
    for (const slot of this.slots) for (const task of slot.order) this.slotOf.set(task, slot);
  }

  ready(task: ModelledTask): void {
    this.isReady.add(task);
  }

  place(): Start[] {
    const starts: Start[] = [];
    for (const {agent, order, isBusy} of this.slots) {
      const task = order[0];
      if (isBusy || !task || !this.isReady.has(task) || this.isDown.has(agent)) continue;
      starts.push({task, agent});
    }
    return starts;
  }

  started({task}: Run): void {
    this.slot(task).isBusy = true;
    this.isReady.delete(task);
  }

  /** Until it is accepted, it stays the next of its slot. */
  ended({task}: Run, end: RunEnd): void {
    const slot = this.slot(task);
    slot.isBusy = false;
    if (end === 'accepted') slot.order.shift();
  }

  down(agent: ModelledAgent): void {
    this.isDown.add(agent);
  }

  up(agent: ModelledAgent): void {
    this.isDown.delete(agent);
  }

  private slot(task: ModelledTask): Slot {
    return this.slotOf.get(task) as Slot;
  }
}

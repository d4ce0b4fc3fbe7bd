/** What goes wrong in a run, and when: drawn from the seed. Each run has some kinds of faults only, so that they meet in all combinations. */
import type {Chance} from './chance.ts';
import type {Machine} from './machine.ts';
import {FAIR} from './network.ts';
import {dueLease, figure8, jointSplit, lateSnapshot, sleepingLeader} from './scenarios.ts';
import type {World} from './world.ts';

export const FAULT_KINDS = [
  'weather',
  'split',
  'oneWay',
  'bridge',
  'isolateLeader',
  'clog',
  'succession',
  'powerLoss',
  'kill',
  'shutDown',
  'restartStorm',
  'pause',
  'slowDisk',
  'hungDisk',
  'fullDisk',
  'diskError',
  'bitRot',
  'clock',
  'transfer',
  'membership',
  'figure8',
  'jointSplit',
  'sleepingLeader',
  'dueLease',
  'lateSnapshot',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Often leaders that follow upon each other, for what goes wrong in elections needs several in a row. */
export function drawFaultKinds(chance: Chance): readonly FaultKind[] {
  if (!chance.happens(0.4)) return chance.some(FAULT_KINDS, 2 + chance.whole(6));
  const slow = chance.happens(0.5) ? (['slowDisk'] as const) : [];
  return [...new Set(['succession', ...slow, ...chance.some(FAULT_KINDS, chance.whole(3))] as const)];
}

const MEAN_PERIOD_MS = 450;

/** Looks for a leader before those that are out come back. */
const MOST_WAITS = 40;

interface Gone {
  readonly id: string;
  readonly comeBack: () => void;
}

export class Faults {
  private stopped = false;

  constructor(
    private readonly world: World,
    readonly kinds: readonly FaultKind[],
    private readonly chance: Chance,
  ) {}

  start(): void {
    this.world.scheduler.after(this.chance.around(MEAN_PERIOD_MS), () => {
      if (this.stopped) return;
      this.strike(this.chance.pick(this.kinds));
      this.start();
    });
  }

  get isOver(): boolean {
    return this.stopped;
  }

  /** Everything is well again: links, disks, power. */
  heal(): void {
    this.stopped = true;
    const {world} = this;
    world.network.heal();
    for (const machine of world.machines) {
      Object.assign(machine.pace, {delayMs: 0.3, hung: false});
      machine.diskFault = () => undefined;
      machine.resume();
      world.bootIfDown(machine);
    }
  }

  private strike(kind: FaultKind): void {
    const {world, chance} = this;
    world.note(`fault ${kind}`);
    const machine = chance.pick(world.machines);
    switch (kind) {
      case 'weather':
        this.changeWeather();
        break;
      case 'split':
      case 'oneWay':
      case 'bridge':
      case 'isolateLeader':
      case 'clog':
        this.cutLinks(kind);
        break;
      case 'succession':
        this.succeed(3 + chance.whole(5), []);
        break;
      case 'powerLoss':
      case 'kill':
        this.fell(machine, kind === 'powerLoss' ? 'lost' : 'kept');
        break;
      case 'shutDown':
        world.shutDown(machine);
        break;
      case 'restartStorm':
        for (const one of chance.some(world.machines, 1 + chance.whole(world.machines.length)))
          this.fell(one, chance.happens(0.5) ? 'lost' : 'kept');
        break;
      case 'pause':
        this.pause(machine);
        break;
      case 'bitRot':
        this.fell(machine, 'kept');
        world.rot(machine, chance);
        break;
      case 'clock':
        this.disturbClock(chance.happens(0.5) ? (world.leader()?.process.machine ?? machine) : machine);
        break;
      case 'transfer':
        world.transfer(machine.id);
        break;
      case 'membership':
        this.changeMembers(1 + chance.whole(4));
        break;
      case 'figure8':
        figure8(world);
        break;
      case 'jointSplit':
        jointSplit(world);
        break;
      case 'sleepingLeader':
        sleepingLeader(world, chance);
        break;
      case 'dueLease':
        dueLease(world);
        break;
      case 'lateSnapshot':
        lateSnapshot(world, chance);
        break;
      default:
        this.troubleDisk(machine, kind);
    }
  }

  private changeWeather(): void {
    const {world, chance} = this;
    const until = chance.between(100, 1500);
    world.network.weather = {
      loss: chance.happens(0.7) ? chance.between(0, 0.3) : 0,
      repeat: chance.happens(0.5) ? chance.between(0, 0.3) : 0,
      replay: chance.happens(0.5) ? chance.between(0, 0.05) : 0,
      delayMs: chance.pick([0.5, 1, 3, 15]),
      stragglers: chance.happens(0.5) ? chance.between(0, 0.2) : 0,
      stragglerMs: chance.pick([20, 100, 400]),
    };
    world.scheduler.after(until, () => {
      world.network.weather = {...FAIR};
    });
  }

  private cutLinks(kind: 'split' | 'oneWay' | 'bridge' | 'isolateLeader' | 'clog'): void {
    const {world, chance} = this;
    const {ids, network, scheduler} = world;
    const links: string[] = [];
    const part = chance.some(ids, 1 + chance.whole(ids.length - 1));
    const rest = ids.filter(id => !part.includes(id));
    const both = (a: string, b: string): void => void links.push(`${a}>${b}`, `${b}>${a}`);
    if (kind === 'split') for (const a of part) for (const b of rest) both(a, b);
    if (kind === 'oneWay') for (const a of part) for (const b of rest) links.push(`${a}>${b}`);
    if (kind === 'bridge') {
      const [middle, ...others] = chance.some(ids, ids.length);
      const half = Math.ceil(others.length / 2);
      if (middle !== undefined)
        for (const a of others.slice(0, half)) for (const b of others.slice(half)) both(a, b);
    }
    if (kind === 'isolateLeader') {
      const leader = world.leader()?.id ?? chance.pick(ids);
      const mode = chance.whole(3);
      for (const other of ids)
        if (mode === 0) both(leader, other);
        else links.push(mode === 1 ? `${leader}>${other}` : `${other}>${leader}`);
    }
    if (kind === 'clog') {
      for (const a of part) for (const b of rest) network.clogged.set(`${a}>${b}`, chance.between(20, 500));
      scheduler.after(chance.between(200, 2500), () => network.clogged.clear());
      return;
    }
    for (const link of links) network.cut.add(link);
    scheduler.after(chance.between(100, 2500), () => {
      for (const link of links) network.cut.delete(link);
    });
  }

  private fell(machine: Machine, power: 'kept' | 'lost'): void {
    const {world, chance} = this;
    if (!machine.isUp) return;
    world.fell(machine, power);
    world.scheduler.after(chance.around(chance.pick([20, 400])), () => world.bootIfDown(machine));
  }

  /**
   * Leaders one after the other, each felled or cut off soon after it began, while those before it come back: what they leave behind, on one node
   * or on few, is what figure 8 of the paper is about.
   */
  private succeed(left: number, gone: readonly Gone[], waits = 0): void {
    const {world, chance} = this;
    const {scheduler} = world;
    const leader = world.leader();
    if (left === 0 || this.stopped) for (const {comeBack} of gone) comeBack();
    else if (!leader || gone.some(({id}) => id === leader.id)) {
      const stuck = waits > MOST_WAITS;
      if (stuck) for (const {comeBack} of gone) comeBack();
      scheduler.after(20, () => this.succeed(left, stuck ? [] : gone, stuck ? 0 : waits + 1));
    } else
      scheduler.after(chance.pick([0, 5, 30, 150]) * chance.next(), () => {
        const removed = this.remove(leader.process.machine);
        const back = chance.happens(0.7);
        if (back) for (const {comeBack} of gone) comeBack();
        this.succeed(left - 1, back ? [removed] : [...gone, removed]);
      });
  }

  /** Takes a node out of the cluster, all but one link perhaps; returns what brings it back. */
  private remove(machine: Machine): Gone {
    const {world, chance} = this;
    const {network, ids} = world;
    if (chance.happens(0.4)) {
      world.fell(machine, chance.happens(0.5) ? 'lost' : 'kept');
      return {id: machine.id, comeBack: () => world.bootIfDown(machine)};
    }
    const friend = chance.happens(0.5) ? chance.pick(ids) : undefined;
    const others = ids.filter(id => id !== machine.id && id !== friend);
    const links = others.flatMap(id => [`${id}>${machine.id}`, `${machine.id}>${id}`]);
    for (const link of links) network.cut.add(link);
    const comeBack = (): void => {
      for (const link of links) network.cut.delete(link);
    };
    return {id: machine.id, comeBack};
  }

  /** One change after the other, as fast as they are taken. */
  private changeMembers(left: number): void {
    const {world, chance} = this;
    if (left === 0 || this.stopped) return;
    const leader = world.leader();
    world.changeMembership(chance);
    // What a leader left behind of a change is what the next one must not build upon.
    if (leader && chance.happens(0.3))
      world.scheduler.after(chance.between(0, 3), () => {
        const {comeBack} = this.remove(leader.process.machine);
        world.scheduler.after(chance.between(300, 1500), comeBack);
      });
    world.scheduler.after(chance.around(60), () => this.changeMembers(left - 1));
  }

  private pause(machine: Machine): void {
    const {world, chance} = this;
    machine.pause();
    const pauseMs = chance.between(20, 1500);
    world.scheduler.after(pauseMs, () => {
      // A machine that slept may find that its clock went on, or stood still.
      machine.resume();
    });
  }

  private troubleDisk(machine: Machine, kind: 'slowDisk' | 'hungDisk' | 'fullDisk' | 'diskError'): void {
    const {world, chance} = this;
    const {scheduler} = world;
    const lasts = chance.between(100, 2000);
    if (kind === 'slowDisk') {
      machine.pace.delayMs = chance.pick([5, 30, 100]);
      scheduler.after(lasts, () => {
        machine.pace.delayMs = 0.3;
      });
    } else if (kind === 'hungDisk') {
      machine.pace.hung = true;
      scheduler.after(lasts, () => {
        machine.pace.hung = false;
      });
    } else {
      const part = kind === 'fullDisk' ? 1 : 0.3;
      const code = kind === 'fullDisk' ? 'ENOSPC' : 'EIO';
      machine.diskFault = operation =>
        (operation === 'write' || (operation === 'sync' && code === 'EIO')) && chance.happens(part)
          ? code
          : undefined;
      scheduler.after(kind === 'fullDisk' ? lasts : 50, () => {
        machine.diskFault = () => undefined;
      });
    }
  }

  private disturbClock(machine: Machine): void {
    const {chance} = this;
    machine.jumpWall(chance.between(-5000, 5000));
    machine.rate = chance.between(0.99, 1.01);
    // Jumps of the monotonic clock are those of a machine that slept, and longer than a late tick.
    if (chance.happens(0.7)) machine.jumpClock(chance.between(250, 5000));
  }
}

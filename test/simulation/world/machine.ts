/** One machine: a clock of its own, a disk, and at most one process, which can be started, killed, paused, and cut off from power. */
import type {Clock} from '../../../coordinator/runtime/clock.ts';
import {SimulatedDisk} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import type {Chance} from './chance.ts';
import {type DiskPace, PacedDisk} from './pacedDisk.ts';
import type {Scheduler} from './scheduler.ts';

/** What a program gets of its machine. A process that is over gets nothing any more. */
export interface Process {
  readonly machine: Machine;
  readonly disk: PacedDisk;
  readonly clock: Clock;
  readonly random: Chance;
  readonly alive: boolean;
  /** Runs a step of the process: not after its end, and not before the end of a pause. */
  run(step: () => void): void;
  after(delayMs: number, step: () => void): void;
}

export class Machine {
  disk: SimulatedDisk;
  readonly pace: DiskPace = {delayMs: 0.3, hung: false};
  /** Names a fault for a disk operation, such as ENOSPC; undefined for none. */
  diskFault: (operation: string, path: string) => string | undefined = () => undefined;
  /** Ms that pass here while one passes in truth. */
  rate = 1;
  private jumped = 0;
  private wallJumped = 0;
  private process: Process | undefined;
  private lives = 0;
  private retired = false;
  private powerLost = false;
  /** Steps of the process that wait for the end of a pause. */
  private held: (() => void)[] | undefined;

  constructor(
    readonly id: string,
    private readonly scheduler: Scheduler,
    private readonly chance: Chance,
    durableWrites: boolean,
  ) {
    this.disk = new SimulatedDisk({random: chance.fork(), durableWrites, fault: this.faultOf});
  }

  get isUp(): boolean {
    return this.process !== undefined;
  }

  /** It is never started again. */
  get isRetired(): boolean {
    return this.retired;
  }

  retire(): void {
    this.retired = true;
  }

  get isPaused(): boolean {
    return this.held !== undefined;
  }

  boot(program: (process: Process) => void): void {
    if (this.process) throw new Error(`${this.id} runs already`);
    if (this.powerLost) this.disk = this.disk.restart(this.faultOf);
    this.powerLost = false;
    this.process = this.newProcess();
    program(this.process);
  }

  /** The process dies; with the power gone, so does what the disk had not made durable. */
  kill(power: 'kept' | 'lost'): void {
    const {process} = this;
    this.process = undefined;
    this.held = undefined;
    this.lives += 1;
    process?.disk.die(power === 'lost');
    if (power === 'lost') this.powerLost = true;
  }

  pause(): void {
    if (this.process) this.held ??= [];
  }

  resume(): void {
    const {held} = this;
    this.held = undefined;
    for (const step of held ?? []) step();
  }

  /** As a machine that slept: its monotonic clock goes on where it would have been. */
  jumpClock(byMs: number): void {
    this.jumped += byMs;
  }

  jumpWall(byMs: number): void {
    this.wallJumped += byMs;
  }

  private now(): number {
    return this.scheduler.now * this.rate + this.jumped;
  }

  private readonly faultOf = (operation: string, path: string): string | undefined =>
    this.diskFault(operation, path);

  private newProcess(): Process {
    const {scheduler} = this;
    const life = this.lives;
    const isAlive = (): boolean => this.lives === life;
    const run = (step: () => void): void => {
      if (!isAlive()) return;
      if (this.held) {
        this.held.push(() => run(step));
        return;
      }
      // Whatever promises it settles, their continuations belong to it.
      scheduler.settled = true;
      step();
    };
    const after = (delayMs: number, step: () => void): void =>
      scheduler.after(delayMs / this.rate, () => run(step));
    const clock: Clock = {
      now: () => this.now(),
      wallNow: () => Date.UTC(2026, 0, 1) + this.now() + this.wallJumped,
      schedule(delayMs, fire) {
        let disposed = false;
        after(delayMs, () => {
          if (!disposed) fire();
        });
        return {
          dispose: () => {
            disposed = true;
          },
        };
      },
    };
    return {
      machine: this,
      disk: new PacedDisk(this.disk, this.pace, scheduler, this.chance.fork(), run),
      clock,
      random: this.chance.fork(),
      get alive() {
        return isAlive();
      },
      run,
      after,
    };
  }
}

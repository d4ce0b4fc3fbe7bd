/** Runs a world's tasks under one policy, event by event, in time that is only counted. Knows what really happens; decides nothing. */
import {Heap} from '../../../coordinator/runtime/heap.ts';
import type {ModelledAgent} from './agents.ts';
import {HUB_REGION, type ModelledTask, SETUP_MS, WARM_MS, type World} from './world.ts';

/** Until the coordinator gives up an agent that is silent. */
const NOTICED_AFTER_MS = 20_000;
const TICK_MS = 5000;

export interface Start {
  readonly task: ModelledTask;
  readonly agent: ModelledAgent;
}

/** One attempt. */
export interface Run extends Start {
  readonly startedAt: number;
}

/** `superseded`: another attempt of the task was accepted first. */
export type RunEnd = 'accepted' | 'failed' | 'lost' | 'superseded';

/** A policy. It sees what a coordinator sees: no true speeds, no futures. */
export interface Placer {
  /** Its inputs are there; or it has to be tried again. */
  ready(task: ModelledTask, now: number): void;
  /** Attempts to start now. Each takes a slot of its agent. */
  place(now: number): readonly Start[];
  started(run: Run): void;
  ended(run: Run, end: RunEnd, now: number): void;
  /** Silent for so long that it is given up; its attempts have ended as lost. */
  down(agent: ModelledAgent, now: number): void;
  up(agent: ModelledAgent, now: number): void;
}

export interface Outcome {
  /** By task: from arrival to the first accepted completion. */
  readonly sojournsMs: Float64Array;
  readonly makespanMs: number;
  /** Slot time of all attempts, and of those that were not accepted. */
  readonly slotMs: number;
  readonly wastedMs: number;
  /** Slot time until the last task arrived. */
  readonly busyMs: number;
  readonly farBytes: number;
  readonly attempts: number;
  /** By task: index of the agent of the accepted attempt. */
  readonly doneOn: Int32Array;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
}

export class Simulation {
  private readonly events = new Heap<Event>((a, b) => a.at < b.at || (a.at === b.at && a.order < b.order));
  private order = 0;
  private now = 0;
  private left: number;
  private readonly missing: Int32Array;
  private readonly children: number[][];
  private readonly running = new Map<number, Run[]>();
  private readonly ofAgent: Set<Run>[];
  private readonly tries = new Map<number, number>();
  /** By agent, project: when it last worked there. */
  private readonly warm: Map<number, number>[];
  private readonly isDown: boolean[];
  private readonly sojournsMs: Float64Array;
  private readonly doneOn: Int32Array;
  private makespanMs = 0;
  private slotMs = 0;
  private wastedMs = 0;
  private busyMs = 0;
  private readonly lastArrival: number;
  private farBytes = 0;
  private attempts = 0;

  constructor(
    private readonly world: World,
    private readonly tasks: readonly ModelledTask[],
    private readonly placer: Placer,
    /** When tasks that arrive at 0 arrive: what befalls the agents goes on from run to run. */
    private readonly startAt = 0,
  ) {
    this.now = startAt;
    this.lastArrival = startAt + (tasks.at(-1)?.arrivesAt ?? 0);
    this.left = tasks.length;
    this.missing = Int32Array.from(tasks, task => task.parents.length);
    this.children = tasks.map(() => []);
    for (const task of tasks) for (const parent of task.parents) this.children[parent]?.push(task.index);
    this.ofAgent = world.agents.map(() => new Set());
    this.warm = world.agents.map(() => new Map());
    this.isDown = world.agents.map(() => false);
    this.sojournsMs = new Float64Array(tasks.length);
    this.doneOn = new Int32Array(tasks.length).fill(-1);
  }

  run(): Outcome {
    for (const task of this.tasks)
      if (task.parents.length === 0)
        this.at(this.startAt + task.arrivesAt, () => this.placer.ready(task, this.now));
    for (const agent of this.world.agents) this.expectCrash(agent);
    this.tick();
    while (this.left > 0) {
      const next = this.events.pop();
      if (!next) throw new Error(`${this.left} tasks wait and nothing is going to happen`);
      this.now = next.at;
      next.fire();
      // What happens at one moment is seen together.
      if (this.events.peek()?.at !== this.now)
        for (const start of this.placer.place(this.now)) this.start(start);
    }
    const {sojournsMs, makespanMs, slotMs, wastedMs, busyMs, farBytes, attempts, doneOn} = this;
    return {sojournsMs, makespanMs, slotMs, wastedMs, busyMs, farBytes, attempts, doneOn};
  }

  private at(at: number, fire: () => void): void {
    this.order += 1;
    this.events.push({at, order: this.order, fire});
  }

  private tick(): void {
    this.at(this.now + TICK_MS, () => this.tick());
  }

  private start({task, agent}: Start): void {
    const run: Run = {task, agent, startedAt: this.now};
    const slots = this.ofAgent[agent.index] as Set<Run>;
    if (slots.size >= agent.slots) throw new Error(`${agent.id} has no free slot`);
    if (!this.world.canRun(agent, task)) throw new Error(`${agent.id} cannot run ${task.id}`);
    if (this.doneOn[task.index] !== -1) throw new Error(`${task.id} is done already`);
    if (this.missing[task.index] !== 0) throw new Error(`${task.id} waits for others`);
    slots.add(run);
    const runs = this.running.get(task.index) ?? [];
    runs.push(run);
    this.running.set(task.index, runs);
    this.attempts += 1;
    this.placer.started(run);
    if (this.isDown[agent.index]) return;
    const key = task.index * this.world.agents.length + agent.index;
    const count = this.tries.get(key) ?? 0;
    this.tries.set(key, count + 1);
    const {workMs, isFailing} = this.world.tryOf(task, agent, count);
    const begins = this.now + this.fetchMs(run) + this.setUpMs(run);
    const ending = agent.timeline.ending(begins, workMs);
    // Otherwise it is lost together with all that its agent runs.
    if (ending.kind === 'done') this.at(ending.at, () => this.finish(run, isFailing));
  }

  private fetchMs({task, agent}: Run): number {
    let sum = 0;
    for (const {parent, bytes} of task.inputs) {
      const maker = parent === undefined ? undefined : this.world.agents[this.doneOn[parent] ?? -1];
      if (maker === agent) continue;
      const from = maker ? maker.region : HUB_REGION;
      if (from !== agent.region) this.farBytes += bytes;
      sum += this.world.transferMs(from, agent.region, bytes);
    }
    return sum;
  }

  private setUpMs({task, agent}: Run): number {
    if (this.world.shape.exact) return 0;
    const projects = this.warm[agent.index] as Map<number, number>;
    const last = projects.get(task.project);
    projects.set(task.project, this.now);
    return last !== undefined && this.now - last <= WARM_MS ? 0 : SETUP_MS;
  }

  private finish(run: Run, isFailing: boolean): void {
    const slots = this.ofAgent[run.agent.index] as Set<Run>;
    // It was superseded, or lost in a crash.
    if (!slots.has(run)) return;
    this.warm[run.agent.index]?.set(run.task.project, this.now);
    if (isFailing) {
      this.end(run, 'failed');
      if (!this.running.has(run.task.index)) this.placer.ready(run.task, this.now);
      return;
    }
    this.end(run, 'accepted');
    for (const other of [...(this.running.get(run.task.index) ?? [])]) this.end(other, 'superseded');
    this.accept(run);
  }

  private accept({task, agent}: Run): void {
    this.doneOn[task.index] = agent.index;
    this.sojournsMs[task.index] = this.now - this.startAt - task.arrivesAt;
    this.makespanMs = this.now - this.startAt;
    this.left -= 1;
    for (const child of this.children[task.index] ?? []) {
      this.missing[child] = (this.missing[child] ?? 0) - 1;
      if (this.missing[child] === 0) this.placer.ready(this.tasks[child] as ModelledTask, this.now);
    }
  }

  private end(run: Run, end: RunEnd): void {
    this.ofAgent[run.agent.index]?.delete(run);
    const left = (this.running.get(run.task.index) ?? []).filter(other => other !== run);
    if (left.length === 0) this.running.delete(run.task.index);
    else this.running.set(run.task.index, left);
    const tookMs = this.now - run.startedAt;
    this.slotMs += tookMs;
    this.busyMs += Math.max(0, Math.min(this.now, this.lastArrival) - run.startedAt);
    if (end !== 'accepted') this.wastedMs += tookMs;
    this.placer.ended(run, end, this.now);
  }

  private expectCrash(agent: ModelledAgent): void {
    const crash = agent.timeline.crash(this.now);
    if (crash) this.at(Math.max(this.now, crash.from), () => this.crash(agent, crash.until));
  }

  private crash(agent: ModelledAgent, until: number): void {
    this.isDown[agent.index] = true;
    this.warm[agent.index]?.clear();
    this.at(this.now + NOTICED_AFTER_MS, () => this.giveUp(agent));
    this.at(Math.max(until, this.now + NOTICED_AFTER_MS), () => {
      this.isDown[agent.index] = false;
      this.placer.up(agent, this.now);
      this.expectCrash(agent);
    });
  }

  private giveUp(agent: ModelledAgent): void {
    const lost = [...(this.ofAgent[agent.index] ?? [])];
    for (const run of lost) this.end(run, 'lost');
    this.placer.down(agent, this.now);
    for (const {task} of lost) if (!this.running.has(task.index)) this.placer.ready(task, this.now);
  }
}

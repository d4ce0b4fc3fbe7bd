/** When the slots of agents come free, as expected at one moment, and as they are promised away while a queue is walked. */
import {remainingMs} from '../../balancing/remainingTime.ts';
import type {AgentNode} from '../fleet/fleet.ts';
import type {Learned} from './learned.ts';
import type {Now} from './placement.ts';
import type {Roster} from './roster.ts';

/** Slots of one agent that are thought of; with more of them the first matter. */
const MAX_SLOTS = 16;
/** Expected of an assignment on its way, of which nothing is known. */
const UNKNOWN_MS = 30_000;
/** What was expected is expected anew after this many ms of hub time. */
const GOOD_FOR_MS = 2000;

interface Times {
  /** Hub time, in order. */
  at: number[];
  /** The agent's count of changes, and the hub time, for which they were worked out. */
  change: number;
  made: number;
  /** The pass in which slots of them were promised, and what is left then. */
  pass: number;
  promised: number[];
}

export class SlotTimes {
  private pass = 0;
  private readonly known: (Times | undefined)[] = [];
  /** By agent: the duration that was expected of what it got last. */
  private readonly placed: number[] = [];
  private now: Now = {hub: 0, wall: 0};
  private sigma = 0.6;

  constructor(
    private readonly roster: Roster,
    private readonly learned: Learned,
  ) {}

  begin(now: Now): void {
    this.now = now;
    this.pass += 1;
    this.sigma = Math.min(1, Math.max(0.3, Math.sqrt(this.learned.model.noise)));
  }

  /** Milliseconds from now until the agent's next slot is free. */
  first(index: number): number {
    const times = this.timesOf(index);
    const list = times.pass === this.pass ? times.promised : times.at;
    const at = list[0];
    return at === undefined ? Number.POSITIVE_INFINITY : Math.max(0, at - this.now.hub);
  }

  /** The next slot is taken for so long. */
  promise(index: number, durationMs: number): void {
    const times = this.timesOf(index);
    if (times.pass !== this.pass) {
      times.pass = this.pass;
      times.promised = times.at.slice();
    }
    const {promised} = times;
    const first = promised.shift();
    if (first === undefined) return;
    const until = Math.max(first, this.now.hub) + durationMs;
    let place = promised.length;
    while (place > 0 && (promised[place - 1] as number) > until) place -= 1;
    promised.splice(place, 0, until);
  }

  /** The agent got a task that is expected to take so long. */
  took(index: number, durationMs: number): void {
    this.placed[index] = durationMs;
  }

  private timesOf(index: number): Times {
    const {hub} = this.now;
    const change = this.roster.changes[index] ?? 0;
    const known = this.known[index];
    if (known?.pass === this.pass) return known;
    if (known && known.change === change && hub - known.made < GOOD_FOR_MS) return known;
    const agent = this.roster.agents[index];
    const at = agent ? this.expected(agent) : [];
    const times = {at, change, made: hub, pass: 0, promised: []};
    this.known[index] = times;
    return times;
  }

  private expected(agent: AgentNode): number[] {
    const {index, attempts, reserved} = agent;
    const {hub, wall} = this.now;
    const times: number[] = [];
    for (let free = Math.min(MAX_SLOTS, this.roster.free[index] ?? 0); free > 0; free -= 1) times.push(hub);
    const slots = agent.record?.instance.metadata.maxConcurrentTasks ?? 0;
    if (agent.coolUntil > hub && attempts.size + reserved < slots) times.push(agent.coolUntil);
    for (const attempt of attempts) {
      if (times.length >= MAX_SLOTS) break;
      const expected = this.learned.durationMs(attempt.task, index, hub);
      times.push(hub + remainingMs(expected, wall - attempt.record.assignedAt, this.sigma));
    }
    for (let left = reserved; left > 0 && times.length < MAX_SLOTS; left -= 1)
      times.push(hub + (this.placed[index] ?? UNKNOWN_MS));
    return times.length > 1 ? times.sort((a, b) => a - b) : times;
  }
}

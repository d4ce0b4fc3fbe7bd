/** What one tenant's lead has learned of its agents, in the form that placement reads: by class of task a row of numbers over the agents. */
import {deviation, newUsual, type UsualEstimate} from '../../balancing/estimates.ts';
import {PerformanceModel, type Prediction} from '../../balancing/performanceModel.ts';
import {slowness, withRunning} from '../../balancing/spells.ts';
import {declaredProficiency, domainsOf, estimateOf, taskClassOf} from '../../balancing/taskClass.ts';
import {neededBy} from '../../balancing/taskSigns.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import type {AgentNode, SessionNode, TaskNode} from '../fleet/fleet.ts';
import type {Now} from './placement.ts';
import {hashOf, type Roster} from './roster.ts';

/** What of a task's definition matters to predictions. */
export interface Traits {
  readonly spec: TaskSpecification;
  readonly taskClass: string;
  readonly estimateMs: number;
  /** The class with what is asked of proficiency. */
  readonly rowKey: string;
}

export interface Row {
  readonly taskClass: string;
  readonly spec: TaskSpecification;
  readonly hash: number;
  /** By agent: expected time to a success over that of an unknown agent, drawn from what is believed; 0 where it is to be worked out anew. */
  drawn: Float64Array;
  /** By agent: expected duration of one try over that of an unknown agent. */
  ratio: Float64Array;
  /** Mean duration over estimate where the estimate is usual. */
  factor: number;
  /** The usual logarithm of estimates, and what one more adds to that of duration over estimate. */
  usual: UsualEstimate;
  slope: number;
  /** Hub time when all of it was forgotten. */
  at: number;
}

/** How much of the doubt is played with (Thompson sampling): the rest is known to be the noise of few tries. */
const EXPLORATION = 0.5;
const ROW_MS = 60_000;
const MAX_ROWS = 512;
/** Attempts of any class before the model is listened to, and of the class itself where it is new. */
const ENOUGH = 12;
/** What runs is looked at no more often than this. */
const WATCH_MS = 2000;
/** A smaller change of a logarithm is left alone. */
const LEAST_CHANGE = 0.05;
/** An agent that worked on a repository this recently has it ready. */
export const WARM_MS = 1_800_000;

export class Learned {
  private readonly rows = new Map<string, Row>();
  /** By repository, then by agent: hub time of the last work on it, and 0 for never. */
  private readonly worked = new Map<string, Float64Array>();

  /** By agent: what its running attempts add to the expected logarithm of a duration. */
  private lateness = new Float64Array(0);
  private watchedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly roster: Roster,
    /** Draws follow from it and from what was observed, so that a decision can be made again. */
    readonly seed: number,
    readonly model = new PerformanceModel(),
  ) {}

  /** Enough is known to go by it; else what agents declare decides. */
  knows(): boolean {
    return this.model.observations >= ENOUGH;
  }

  row({rowKey, taskClass, spec}: Traits, now: number): Row {
    let row = this.rows.get(rowKey);
    const {capacity} = this.roster;
    if (!row) {
      if (this.rows.size >= MAX_ROWS) this.rows.clear();
      const none = {
        drawn: new Float64Array(0),
        ratio: new Float64Array(0),
        factor: 1,
        usual: newUsual(),
        slope: 0,
        at: 0,
      };
      row = {taskClass, spec, hash: hashOf(rowKey), ...none};
      this.rows.set(rowKey, row);
    }
    if (row.drawn.length < capacity || now - row.at > ROW_MS) {
      row.drawn = new Float64Array(capacity);
      row.ratio = new Float64Array(capacity);
      this.renewFactor(row, now);
      row.at = now;
    }
    return row;
  }

  private renewFactor(row: Row, now: number): void {
    const {model} = this;
    row.factor = model.classFactor(row.taskClass, now);
    row.usual = model.classes.get(row.taskClass)?.usual ?? row.usual;
    row.slope = model.slope.mean;
  }

  /** Works out the agent's numbers in the row, where they are not known. */
  fill(row: Row, index: number, now: number): number {
    const agent = this.roster.agents[index];
    const {taskClass} = row;
    const id = agent?.id ?? '';
    const proficiency = agent?.record ? declaredProficiency(agent.record.instance, row.spec) : 0;
    const log = this.model.logRatio(id, taskClass, proficiency, now) + (this.lateness[index] ?? 0);
    const doubt = EXPLORATION * Math.sqrt(this.model.doubtOf(id, taskClass, now)) * this.draw(row, index);
    const success = 1 - this.model.failureRate(id, taskClass);
    const drawn = Math.exp(log + doubt) / success;
    row.ratio[index] = Math.exp(log);
    row.drawn[index] = drawn;
    return drawn;
  }

  predict(agent: AgentNode, task: TaskNode, now: number): Prediction {
    const {taskClass, estimateMs} = traitsOf(task);
    const proficiency = agent.record ? declaredProficiency(agent.record.instance, task.spec) : 0;
    const predicted = this.model.predict(agent.id, taskClass, estimateMs, proficiency, now);
    const late = Math.exp(this.lateness[agent.index] ?? 0);
    return {...predicted, durationMs: predicted.durationMs * late, ratio: predicted.ratio * late};
  }

  /** The same at the agent's usual pace, whether or not it has a slow spell now. */
  usualMs(task: TaskNode, index: number, now: number): number {
    const slow = slowness(this.model.slowOf(this.roster.agents[index]?.id ?? '', now));
    return this.durationMs(task, index, now) * Math.exp(-slow - (this.lateness[index] ?? 0));
  }

  /** Takes in what runs on the agents: where all of it takes long, an agent has one of its slow spells. */
  watch(agents: readonly number[], {hub, wall}: Now): void {
    if (hub < this.watchedAt + WATCH_MS) return;
    this.watchedAt = hub;
    if (this.lateness.length < this.roster.capacity) {
      const larger = new Float64Array(this.roster.capacity);
      larger.set(this.lateness);
      this.lateness = larger;
    }
    for (const index of agents) {
      const late = this.latenessOf(index, hub, wall);
      if (Math.abs(late - (this.lateness[index] ?? 0)) < LEAST_CHANGE) continue;
      this.lateness[index] = late;
      this.stale(index);
    }
  }

  private latenessOf(index: number, hub: number, wall: number): number {
    const agent = this.roster.agents[index];
    if (!agent || agent.attempts.size === 0) return 0;
    const before = this.model.slowOf(agent.id, hub);
    const known = (this.lateness[index] ?? 0) + slowness(before) + this.model.noise / 2;
    let slow = before;
    for (const {task, record} of agent.attempts) {
      const usual = Math.log(this.durationMs(task, index, hub)) - known;
      slow = withRunning(slow, Math.log(Math.max(1, wall - record.assignedAt)) - usual, this.model.noise);
    }
    return slowness(slow) - slowness(before);
  }

  /** Its numbers are worked out anew. */
  private stale(index: number): void {
    for (const row of this.rows.values()) if (index < row.drawn.length) row.drawn[index] = 0;
  }

  /** Expected milliseconds of one try on an agent of which nothing is known, with the row of the task's class at hand. */
  typicalIn(row: Row, {estimateMs}: Traits): number {
    return estimateMs * row.factor * Math.exp(row.slope * deviation(row.usual, estimateMs));
  }

  /** Expected milliseconds of one try of the task on the agent, for what runs there. */
  durationMs(task: TaskNode, index: number, now: number): number {
    const traits = traitsOf(task);
    const row = this.row(traits, now);
    if (row.drawn[index] === 0) this.fill(row, index, now);
    return this.typicalIn(row, traits) * (row.ratio[index] ?? 1);
  }

  /** Expected milliseconds of one try on an agent of which nothing is known, for ranks. */
  typicalMs(spec: TaskSpecification, now: number): number {
    const {taskClass, estimateMs} = traitsOfSpec(spec);
    return this.model.knowsClass(taskClass) ? this.model.typicalMs(taskClass, estimateMs, now) : estimateMs;
  }

  observe(
    agent: AgentNode,
    task: TaskNode,
    durationMs: number,
    outcome: 'succeeded' | 'failed' | 'stopped',
    now: number,
  ): void {
    const {spec} = task;
    const {taskClass, estimateMs} = traitsOf(task);
    const proficiency = agent.record ? declaredProficiency(agent.record.instance, spec) : 0;
    const observation = {agentId: agent.id, taskClass, estimateMs, durationMs, outcome, proficiency};
    this.model.observe(observation, now);
    this.stale(agent.index);
    for (const row of this.rows.values()) {
      if (row.taskClass === taskClass) this.renewFactor(row, now);
    }
  }

  /** The agent's work on the session's repository, whose set-up it has then. */
  touch(agent: AgentNode, session: SessionNode, now: number): void {
    const repository = session.record.workspace?.repositoryId;
    if (repository === undefined) return;
    let worked = this.worked.get(repository);
    if (!worked || worked.length <= agent.index) {
      const larger = new Float64Array(Math.max(this.roster.capacity, agent.index + 1));
      if (worked) larger.set(worked);
      worked = larger;
      this.worked.set(repository, worked);
    }
    worked[agent.index] = Math.max(1, now);
  }

  /** By agent, hub time of its last work on the session's repository; undefined where there is nothing to set up. */
  workedOn(session: SessionNode): Float64Array | undefined {
    const repository = session.record.workspace?.repositoryId;
    if (repository === undefined) return undefined;
    return this.worked.get(repository) ?? NEVER;
  }

  isWarm(agent: AgentNode, session: SessionNode, now: number): boolean {
    const worked = this.workedOn(session);
    if (!worked) return true;
    const at = worked[agent.index] ?? 0;
    return at > 0 && now - at <= WARM_MS;
  }

  forget(agent: AgentNode): void {
    this.stale(agent.index);
    for (const worked of this.worked.values()) if (agent.index < worked.length) worked[agent.index] = 0;
  }

  /** Standard normal (Box and Muller), the same for the same seed, agent, class and number of observations. */
  private draw({hash}: Row, index: number): number {
    const key = mixed(
      this.seed ^ mixed((this.roster.idHash[index] ?? 0) ^ mixed(hash ^ this.model.observations)),
    );
    const radius = Math.sqrt(-2 * Math.log((mixed(key + 1) + 1) / 2 ** 32));
    return radius * Math.cos((2 * Math.PI * mixed(key + 2)) / 2 ** 32);
  }
}

/** The finisher of MurmurHash3: every bit of the answer depends on every bit of the input. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

const NEVER = new Float64Array(0);
/** Keys of rows, so that equal ones are the same text. */
const KEYS = new Map<string, string>();
const MAX_KEYS = 65_536;

export function traitsOf(task: TaskNode): Traits {
  const {spec, traits} = task;
  if (traits?.spec === spec) return traits;
  const made = traitsOfSpec(spec);
  task.traits = made;
  return made;
}

function traitsOfSpec(spec: TaskSpecification): Traits {
  const taskClass = taskClassOf(spec);
  const domains = domainsOf(neededBy(spec));
  const key = [taskClass, ...domains].join('\n');
  let rowKey = KEYS.get(key);
  if (rowKey === undefined) {
    if (KEYS.size >= MAX_KEYS) KEYS.clear();
    rowKey = key;
    KEYS.set(key, key);
  }
  return {spec, taskClass, estimateMs: estimateOf(spec), rowKey};
}

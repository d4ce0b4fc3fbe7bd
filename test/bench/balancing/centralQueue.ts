/** The real scheduler as a policy: its fleet, its queue and its rules, told of modelled agents what the lead would tell it. */
import type {PerformanceModel} from '../../../coordinator/balancing/performanceModel.ts';
import {DEFAULT_TENANT} from '../../../coordinator/protocol/ids.ts';
import {
  type AgentNode,
  type AttemptNode,
  addTask,
  Fleet,
  linkDependencies,
  type SessionNode,
  type TaskNode,
} from '../../../coordinator/tasks/fleet/fleet.ts';
import {linkSession, newTaskRecord, taskNode} from '../../../coordinator/tasks/fleet/nodes.ts';
import {Ranks} from '../../../coordinator/tasks/placing/ranks.ts';
import {Scheduler} from '../../../coordinator/tasks/placing/scheduler.ts';
import {ReadyQueue} from '../../../coordinator/tasks/queue/readyQueue.ts';
import {type ModelledAgent, REGIONS} from './agents.ts';
import {
  agentRecordOf,
  newAttempt,
  projectSession,
  setOnline,
  setState,
  specificationOf,
} from './leadNodes.ts';
import type {Placer, Run, RunEnd, Start} from './simulation.ts';
import type {ModelledTask, World} from './world.ts';

export interface CentralOptions {
  readonly strategy: string;
  /** Stragglers get a second attempt. */
  readonly backups?: boolean;
  /** What is known from before. */
  readonly model?: PerformanceModel | undefined;
  /** Of the scheduler's draws. */
  readonly seed?: number;
}

export class CentralQueue implements Placer {
  readonly fleet = new Fleet();
  readonly queue = new ReadyQueue();
  readonly scheduler: Scheduler;
  private readonly ranks: Ranks;
  /** Sessions that came as whole graphs. */
  private readonly planned = new Set<SessionNode>();
  private readonly nodes: AgentNode[];
  private readonly agents = new Map<AgentNode, ModelledAgent>();
  private readonly sessions = new Map<number, SessionNode>();
  private readonly tasks = new Map<TaskNode, ModelledTask>();
  private readonly taskNodes = new Map<number, TaskNode>();
  private readonly attempts = new Map<Run, AttemptNode>();
  /** By task: what it hands on. */
  private readonly bytes = new Map<number, number>();

  constructor(
    private readonly world: World,
    private readonly options: CentralOptions,
  ) {
    this.scheduler = new Scheduler(this.fleet, this.queue, () => true, {seed: options.seed ?? 1});
    this.ranks = new Ranks(this.scheduler, this.queue);
    if (options.model) this.scheduler.restore(DEFAULT_TENANT, options.model);
    this.nodes = world.agents.map(agent => this.addAgent(agent));
  }

  /** What it knows now. */
  get model(): PerformanceModel {
    return this.scheduler.learned(DEFAULT_TENANT).model;
  }

  /** Tells it of a whole graph at once, as a plan does. */
  plan(tasks: readonly ModelledTask[]): void {
    const session = this.session(tasks[0]?.project ?? 0);
    const nodes = tasks.map(task => this.node(session, task, tasks));
    for (const {inputs} of tasks)
      for (const {parent, bytes} of inputs)
        if (parent !== undefined) this.bytes.set(parent, Math.max(bytes, this.bytes.get(parent) ?? 0));
    const now = {hub: 0, wall: 0};
    this.planned.add(session);
    linkSession(session, nodes, spec => this.scheduler.typicalMs(DEFAULT_TENANT, spec, now));
  }

  ready(task: ModelledTask, now: number): void {
    let node = this.taskNodes.get(task.index);
    if (!node) {
      node = this.node(this.session(task.project), task, []);
      addTask(node);
      linkDependencies(node);
    }
    if (node.missing !== 0) throw new Error(`${task.id} waits for others`);
    setState(node, 'ready');
    node.readySince = now;
    this.queue.add(node);
  }

  place(now: number): Start[] {
    const time = {hub: now, wall: now};
    const placed = [
      ...this.scheduler.place(time),
      ...(this.options.backups ? this.scheduler.backups(time) : []),
    ];
    return placed.map(({task, agent}) => ({
      task: this.tasks.get(task) as ModelledTask,
      agent: this.agents.get(agent) as ModelledAgent,
    }));
  }

  started(run: Run): void {
    const task = this.taskNodes.get(run.task.index) as TaskNode;
    const agent = this.nodes[run.agent.index] as AgentNode;
    const attempt = newAttempt(task, agent, run.startedAt);
    if (task.attempt) task.backup = attempt;
    else task.attempt = attempt;
    agent.attempts.add(attempt);
    agent.reserved -= 1;
    task.lastAgent = {id: agent.id, region: REGIONS[run.agent.region] ?? ''};
    setState(task, 'running');
    this.attempts.set(run, attempt);
  }

  ended(run: Run, end: RunEnd, now: number): void {
    const attempt = this.attempts.get(run) as AttemptNode;
    this.attempts.delete(run);
    const {task, agent} = attempt;
    agent.attempts.delete(attempt);
    if (task.backup === attempt) task.backup = undefined;
    else if (task.attempt === attempt) {
      task.attempt = task.backup;
      task.backup = undefined;
    }
    const outcome = end === 'accepted' ? 'succeeded' : end === 'superseded' ? 'stopped' : 'failed';
    if (end !== 'lost')
      this.scheduler.observe(task, agent, now - run.startedAt, outcome, {hub: now, wall: now});
    if (end === 'accepted') this.accepted(task, run.task, now);
  }

  down(agent: ModelledAgent): void {
    setOnline(this.nodes[agent.index] as AgentNode, false);
  }

  up(agent: ModelledAgent): void {
    setOnline(this.nodes[agent.index] as AgentNode, true);
  }

  private accepted(task: TaskNode, modelled: ModelledTask, now: number): void {
    setState(task, 'succeeded', this.bytes.get(modelled.index));
    if (this.planned.has(task.session)) {
      this.ranks.finished(task, {hub: now, wall: now});
      return;
    }
    // Nobody depends on it, so it is never asked for again.
    this.tasks.delete(task);
    this.taskNodes.delete(modelled.index);
    task.session.tasks.delete(task.spec.id);
  }

  private addAgent(agent: ModelledAgent): AgentNode {
    const node = this.fleet.agent(DEFAULT_TENANT, agent.id);
    node.record = agentRecordOf(this.world, agent);
    setOnline(node, true);
    this.agents.set(node, agent);
    return node;
  }

  private session(project: number): SessionNode {
    let session = this.sessions.get(project);
    if (!session) {
      session = projectSession(project, this.options.strategy, !this.world.shape.exact);
      this.fleet.addSession(session);
      this.sessions.set(project, session);
    }
    return session;
  }

  private node(session: SessionNode, task: ModelledTask, all: readonly ModelledTask[]): TaskNode {
    const speculate = this.options.backups ?? false;
    const spec = {...specificationOf(this.world, task, all), speculate};
    const node = taskNode(session, spec, newTaskRecord(session.id, spec, 'plan', 'bench'), 1);
    this.tasks.set(node, task);
    this.taskNodes.set(task.index, node);
    return node;
  }
}

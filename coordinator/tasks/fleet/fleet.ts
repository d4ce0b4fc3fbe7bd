/**
 * The lead's picture of what is unfinished: sessions, tasks, current attempts and agents, as they are in the store. Plain state with the counts
 * that follow from it; who changes it, and why, is elsewhere.
 */
import type {PlacementRule} from '../../balancing/strategy.ts';
import type {GateEvidence, GateFailurePolicy} from '../../protocol/gate.ts';
import {type AgentLive, type AgentRecord, openSlots} from '../../protocol/model/agent.ts';
import type {AttemptRecord, WorktreePlace} from '../../protocol/model/attempt.ts';
import type {TenantKeys} from '../../protocol/model/keys.ts';
import type {SessionModes} from '../../protocol/model/mode.ts';
import type {SessionRecord, TaskCounts} from '../../protocol/model/session.ts';
import {
  type Failure,
  FINAL_TASK_STATES,
  type TaskRecord,
  type TaskResult,
  type TaskState,
} from '../../protocol/model/task.ts';
import type {Plan, TaskSpecification} from '../../protocol/plan/plan.ts';
import type {KeyValue} from '../../store/store.ts';
import type {Advice} from '../placing/advisers.ts';
import type {Traits} from '../placing/learned.ts';
import {ObservedAgent} from '../placing/observedAgent.ts';
import type {PlacementClass} from '../queue/readyQueue.ts';
import type {ReuseState} from '../reuse/reuse.ts';
import type {Talk} from './talk.ts';

export interface SessionNode {
  readonly tenant: string;
  readonly id: string;
  readonly keys: TenantKeys;
  /** Grows when tasks are added. */
  plan: Plan;
  rule: PlacementRule;
  /** Which agents may do its work, as its own mode and the coordinator's say together. */
  modes: SessionModes;
  record: SessionRecord;
  mod: number;
  readonly tasks: Map<string, TaskNode>;
  /** Of the plan's tasks and their merges; those that are about an attempt do not count. */
  readonly counts: TaskCounts;
  /** Tasks about an attempt that are not at their end. */
  aside: number;
  /** Dollars of every attempt so far; the record follows. */
  spentUsd: number;
  /** Of its backups; the record follows. */
  readonly speculation: {begun: number; won: number; spentUsd: number};
  /** Written to the store differs from what is here. */
  dirty: boolean;
  /** Finished: nothing of it is decided any more. */
  closed: boolean;
  /** Several of its tasks are being changed together: nothing is decided until all are. */
  held: boolean;
}

export interface TaskNode {
  readonly session: SessionNode;
  readonly key: string;
  /** Of the merge of the result it changes when tasks are added. */
  spec: TaskSpecification;
  record: TaskRecord;
  mod: number;
  dependents: TaskNode[];
  /** Dependencies that have not succeeded. */
  missing: number;
  /** Dependencies that failed or were cancelled. */
  doomed: number;
  rank: number;
  /** What placement has worked out of `spec`. */
  traits: Traits | undefined;
  /** The strategy that the task wants; undefined: its session's. */
  rule: PlacementRule | undefined;
  attempt: AttemptNode | undefined;
  /** A second attempt, beside one that takes too long. */
  backup: AttemptNode | undefined;
  /** A step of it is on its way to the store; meanwhile nothing is decided about it. */
  busy: boolean;
  /** Wanted end, decided outside the task: by a person, a deadline, the session's end. */
  wanted: Failure | undefined;
  /** Agents on which it failed by the machine's fault, in order of id. */
  avoid: readonly string[];
  /** Dollars that its next attempt wants at least, since fewer were too few. */
  leastUsd: number;
  /** What the attempt before left for the next one's prompt. */
  previous: {readonly message: string; readonly gates: GateEvidence[]} | undefined;
  /** What the attempt left whose gates run again. */
  recheckedResult: TaskResult | undefined;
  /** Where it ran last, for affinity and locality. */
  lastAgent: {readonly id: string; readonly region: string} | undefined;
  /** Incarnations that lost an attempt of it and may come back: each returns one loss. */
  readonly lostOn: Set<string>;
  /** Losses to give back. */
  refunds: number;
  /** The answer to the question that it is parked for. */
  answer: 'allow' | 'deny' | undefined;
  /** The merge task that stands in for its dependencies. */
  mergedBy: string | undefined;
  /** What the attempt left that it is about, for a task that is about one. */
  subject: {readonly taskId: string; readonly result: TaskResult} | undefined;
  /** What is known of results that it could be completed from; undefined: nobody has looked. */
  reuse: ReuseState | undefined;
  /** What a strategy that has to be waited for says of its next attempt. */
  advice: Advice | undefined;
  queuedIn: PlacementClass | undefined;
  /** Tells the valid entry in the queue from those left behind. */
  ticket: number;
  /** Its rank when it was put where it is in the queue. */
  queuedRank: number;
  /** Hub time at which it became ready. */
  readySince: number;
  /** The same in wall time; 0 before. */
  readyAt: number;
}

export interface AttemptNode {
  readonly task: TaskNode;
  readonly key: string;
  record: AttemptRecord;
  mod: number;
  /** Create revision of its live key. */
  fence: number;
  readonly agent: AgentNode;
  /** The newest state that others wrote while a step of ours was on its way. */
  seen: KeyValue | undefined;
  /** The text that we wrote last, to tell our own change from others'. */
  written: string | undefined;
  /** The agent confirmed that it has it. */
  accepted: boolean;
  /** Where its agent works on it, once it has said so. */
  worktree: WorktreePlace | undefined;
  /** The agent would not take it, or could not make anything of it. */
  rejected: 'refused' | Failure | undefined;
  /** What is left out of the records of its end, because with it they would be too large: its gates' evidence, or its report too. */
  trimmed: 'evidence' | 'report' | undefined;
  /** Ends whatever is being said to the agent about it. */
  readonly talk: Talk;
  verification: Verification | undefined;
  /** Hub time of silence during which somebody else could have taken over. */
  silentMs: number;
  /** Hub time for which a new process of its agent has been about to send its completion. */
  reportingMs: number;
}

/** Its gates run, or have run. */
export interface Verification {
  verdict: GateVerdict | undefined;
  /** Of the gates that have passed so far. */
  readonly evidence: GateEvidence[];
  /** Ends the gate that runs. */
  readonly stop: AbortController;
  /** The process that had its worktree is gone. */
  isGone: boolean;
  /** It waits for a reviewer or a person: its agent has nothing to do, and need not even be there. */
  standsBy: boolean;
}

export type GateVerdict =
  | {readonly kind: 'passed'; readonly evidence: GateEvidence[]}
  | {
      readonly kind: 'failed';
      readonly evidence: GateEvidence[];
      readonly message: string;
      readonly onFailure: GateFailurePolicy;
    };

export interface AgentNode {
  readonly tenant: string;
  readonly id: string;
  /** Its place in arrays over the agents; taken over by another when it is dropped. */
  readonly index: number;
  record: AgentRecord | undefined;
  live: {readonly value: AgentLive; readonly mod: number} | undefined;
  /** Current attempts, each of which takes a slot. */
  readonly attempts: Set<AttemptNode>;
  /** Assignments on their way to the store. */
  reserved: number;
  lastPlaced: number;
  /** Changes whenever its record or liveness does, so that fits can be remembered. */
  version: number;
  /** Hub time until which it gets nothing, after a refusal. */
  coolUntil: number;
}

export interface AccountPause {
  readonly until: number;
  readonly reason: string;
}

const COUNTED_AS: Readonly<Record<TaskState, keyof TaskCounts>> = {
  pending: 'waiting',
  ready: 'waiting',
  assigned: 'running',
  running: 'running',
  verifying: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  rolledBack: 'cancelled',
};

export function emptyCounts(): TaskCounts {
  return {total: 0, succeeded: 0, failed: 0, cancelled: 0, running: 0, waiting: 0};
}

/** Puts a new record into the node and keeps the session's counts and the dependents' in step. */
export function replaceTask(node: TaskNode, record: TaskRecord, mod: number): void {
  const before = node.record.state;
  node.record = record;
  node.mod = mod;
  node.session.dirty = true;
  if (before === record.state) return;
  if (FINAL_TASK_STATES.has(before)) node.reuse = undefined;
  if (record.about) {
    const isFinal = (state: TaskState): number => (FINAL_TASK_STATES.has(state) ? 1 : 0);
    node.session.aside += isFinal(before) - isFinal(record.state);
    return;
  }
  const counts = node.session.counts;
  counts[COUNTED_AS[before]] -= 1;
  counts[COUNTED_AS[record.state]] += 1;
  const missing = (record.state === 'succeeded' ? -1 : 0) + (before === 'succeeded' ? 1 : 0);
  const doomed = (isDoom(record.state) ? 1 : 0) - (isDoom(before) ? 1 : 0);
  if (missing === 0 && doomed === 0) return;
  for (const dependent of node.dependents) {
    dependent.missing += missing;
    dependent.doomed += doomed;
  }
}

/** Adds a node to its session and to the counts. */
export function addTask(node: TaskNode): void {
  const {session} = node;
  session.tasks.set(node.spec.id, node);
  if (node.record.about) {
    session.aside += isFinalTask(node) ? 0 : 1;
    return;
  }
  session.counts.total += 1;
  session.counts[COUNTED_AS[node.record.state]] += 1;
}

/** Counts what the node waits for and makes it a dependent of each. Every task of the session must have been added. */
export function linkDependencies(node: TaskNode): void {
  node.missing = 0;
  node.doomed = 0;
  for (const id of awaitedBy(node)) {
    const dependency = node.session.tasks.get(id);
    if (!dependency) continue;
    dependency.dependents.push(node);
    if (dependency.record.state !== 'succeeded') node.missing += 1;
    if (isDoom(dependency.record.state)) node.doomed += 1;
  }
}

/** The opposite of `linkDependencies`. */
export function unlinkDependencies(node: TaskNode): void {
  for (const id of awaitedBy(node)) {
    const dependency = node.session.tasks.get(id);
    if (dependency) dependency.dependents = dependency.dependents.filter(other => other !== node);
  }
}

/** The tasks whose success it waits for. */
export function awaitedBy(node: TaskNode): readonly string[] {
  const {after} = node.spec;
  return after ? [...needsOf(node), ...after] : needsOf(node);
}

/** The tasks whose commits it starts from. */
export function needsOf(node: TaskNode): readonly string[] {
  return node.mergedBy === undefined ? node.spec.dependsOn : [node.mergedBy];
}

/** Dollars of the task so far, its running attempts included. */
export function taskSpentUsd(task: TaskNode): number {
  return presentAttempts(task).reduce(
    (usd, {record}) => usd + record.usage.costUsd,
    task.record.usage.costUsd,
  );
}

/** The current one first. */
export function presentAttempts({attempt, backup}: TaskNode): AttemptNode[] {
  return [attempt, backup].filter(one => one !== undefined);
}

export function isPresent(attempt: AttemptNode): boolean {
  const {task} = attempt;
  return task.attempt === attempt || task.backup === attempt;
}

export function isDoom(state: TaskState): boolean {
  return state === 'failed' || state === 'cancelled' || state === 'rolledBack';
}

export function isFinalTask(node: TaskNode): boolean {
  return FINAL_TASK_STATES.has(node.record.state);
}

/** True when every task of the session has come to its end. */
export function isWorkedOff(session: SessionNode): boolean {
  return session.counts.running === 0 && session.counts.waiting === 0 && session.aside === 0;
}

/** More tasks may come, so that neither it nor the merge of its result begins to end. */
export function isKeptOpen({record}: SessionNode): boolean {
  return record.open === true && record.state !== 'ending';
}

export function isOnline(agent: AgentNode): boolean {
  return agent.live !== undefined && agent.record?.incarnation === agent.live.value.incarnation;
}

export function freeSlots(agent: AgentNode): number {
  const slots = agent.record ? openSlots(agent.record) : 0;
  return slots - takenSlots(agent);
}

/** By attempts, and by those that are about to be. */
export function takenSlots(agent: AgentNode): number {
  return busySlots(agent) + agent.reserved;
}

/** What waits for others takes none. */
function busySlots({attempts}: AgentNode): number {
  let busy = 0;
  for (const {verification} of attempts) if (!verification?.standsBy) busy += 1;
  return busy;
}

/** Everything that one lead knows. */
export class Fleet {
  readonly sessions = new Map<string, SessionNode>();
  readonly agents = new Map<string, AgentNode>();
  readonly accounts = new Map<string, AccountPause>();
  /** Why unfinished sessions do not run here, by `tenant/id`. */
  readonly unloadable = new Map<string, string>();
  private readonly agentListeners: ((agent: AgentNode) => void)[] = [];
  private readonly vacant: number[] = [];
  private placements = 0;

  session(tenant: string, id: string): SessionNode | undefined {
    return this.sessions.get(`${tenant}/${id}`);
  }

  addSession(session: SessionNode): void {
    this.sessions.set(`${session.tenant}/${session.id}`, session);
  }

  /** The session does not run in this term. */
  setAside(tenant: string, id: string, reason: string): void {
    const session = this.session(tenant, id);
    if (session) this.dropSession(session);
    this.unloadable.set(`${tenant}/${id}`, reason);
  }

  dropSession(session: SessionNode): void {
    session.closed = true;
    this.sessions.delete(`${session.tenant}/${session.id}`);
  }

  /** The agent's node; made when it is not known yet, since an attempt may name an agent that was forgotten. */
  agent(tenant: string, id: string): AgentNode {
    const key = `${tenant}/${id}`;
    let agent = this.agents.get(key);
    if (!agent) {
      const index = this.vacant.pop() ?? this.agents.size;
      agent = new ObservedAgent(tenant, id, index, changed => {
        for (const listener of this.agentListeners) listener(changed);
      });
      this.agents.set(key, agent);
    }
    return agent;
  }

  /** It is gone and holds nothing. */
  dropAgent(agent: AgentNode): void {
    if (this.agents.delete(`${agent.tenant}/${agent.id}`)) this.vacant.push(agent.index);
  }

  /** Called with every change of an agent on which placement depends. */
  onAgentChange(listener: (agent: AgentNode) => void): void {
    this.agentListeners.push(listener);
  }

  nextPlacement(): number {
    this.placements += 1;
    return this.placements;
  }
}

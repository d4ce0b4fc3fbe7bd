/**
 * The lead's picture of what is unfinished: sessions, tasks, current attempts and agents, as they are in the store. Plain state with the counts
 * that follow from it; who changes it, and why, is elsewhere.
 */
import type {PlacementRule} from '../balancing/strategy.ts';
import type {GateEvidence} from '../protocol/gate.ts';
import type {AgentLive, AgentRecord} from '../protocol/model/agent.ts';
import type {AttemptRecord, WorktreePlace} from '../protocol/model/attempt.ts';
import type {TenantKeys} from '../protocol/model/keys.ts';
import type {SessionRecord, TaskCounts} from '../protocol/model/session.ts';
import {
  type Failure,
  FINAL_TASK_STATES,
  type TaskRecord,
  type TaskResult,
  type TaskState,
} from '../protocol/model/task.ts';
import type {Plan, TaskSpecification} from '../protocol/plan/plan.ts';
import type {KeyValue} from '../store/store.ts';
import type {PlacementClass} from './readyQueue.ts';
import type {Talk} from './talk.ts';

export interface SessionNode {
  readonly tenant: string;
  readonly id: string;
  readonly keys: TenantKeys;
  /** Grows when tasks are added. */
  plan: Plan;
  readonly rule: PlacementRule;
  record: SessionRecord;
  mod: number;
  readonly tasks: Map<string, TaskNode>;
  readonly counts: TaskCounts;
  /** Dollars of every attempt so far; the record follows. */
  spentUsd: number;
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
  attempt: AttemptNode | undefined;
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
  queuedIn: PlacementClass | undefined;
  /** Tells the valid entry in the queue from those left behind. */
  ticket: number;
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
}

export type GateVerdict =
  | {readonly kind: 'passed'; readonly evidence: GateEvidence[]}
  | {
      readonly kind: 'failed';
      readonly evidence: GateEvidence[];
      readonly message: string;
      readonly onFailure: 'fail' | 'retry';
    };

export interface AgentNode {
  readonly tenant: string;
  readonly id: string;
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
  session.counts.total += 1;
  session.counts[COUNTED_AS[node.record.state]] += 1;
}

/** Counts what the node waits for and makes it a dependent of each. Every task of the session must have been added. */
export function linkDependencies(node: TaskNode): void {
  node.missing = 0;
  node.doomed = 0;
  for (const id of needsOf(node)) {
    const dependency = node.session.tasks.get(id);
    if (!dependency) continue;
    dependency.dependents.push(node);
    if (dependency.record.state !== 'succeeded') node.missing += 1;
    if (isDoom(dependency.record.state)) node.doomed += 1;
  }
}

/** The opposite of `linkDependencies`. */
export function unlinkDependencies(node: TaskNode): void {
  for (const id of needsOf(node)) {
    const dependency = node.session.tasks.get(id);
    if (dependency) dependency.dependents = dependency.dependents.filter(other => other !== node);
  }
}

/** The tasks whose success it waits for, and whose commits it starts from. */
export function needsOf(node: TaskNode): readonly string[] {
  return node.mergedBy === undefined ? node.spec.dependsOn : [node.mergedBy];
}

/** Dollars of the task so far, its running attempt included. */
export function taskSpentUsd(task: TaskNode): number {
  return task.record.usage.costUsd + (task.attempt?.record.usage.costUsd ?? 0);
}

export function isDoom(state: TaskState): boolean {
  return state === 'failed' || state === 'cancelled' || state === 'rolledBack';
}

export function isFinalTask(node: TaskNode): boolean {
  return FINAL_TASK_STATES.has(node.record.state);
}

/** True when every task of the session has come to its end. */
export function isWorkedOff(session: SessionNode): boolean {
  return session.counts.running === 0 && session.counts.waiting === 0;
}

export function isOnline(agent: AgentNode): boolean {
  return agent.live !== undefined && agent.record?.incarnation === agent.live.value.incarnation;
}

export function freeSlots(agent: AgentNode): number {
  const slots = agent.record?.instance.metadata.maxConcurrentTasks ?? 0;
  return slots - agent.attempts.size - agent.reserved;
}

/**
 * `replaced`: a new process of the agent has registered, so the attempt's own is gone. `reporting`: so it has, but it has the attempt's
 * completion and is about to send it. `left`: the attempt's own said goodbye.
 */
export type AgentPresence = 'online' | 'silent' | 'replaced' | 'reporting' | 'left';

export function agentOf({agent, record: {id, agentIncarnation}}: AttemptNode): AgentPresence {
  const {live, record} = agent;
  if (live) {
    if (live.value.incarnation === agentIncarnation) return 'online';
    return live.value.finished?.includes(id) ? 'reporting' : 'replaced';
  }
  if (!record) return 'silent';
  if (record.departed === agentIncarnation) return 'left';
  return record.incarnation === agentIncarnation ? 'silent' : 'replaced';
}

/** Everything that one lead knows. */
export class Fleet {
  readonly sessions = new Map<string, SessionNode>();
  readonly agents = new Map<string, AgentNode>();
  readonly accounts = new Map<string, AccountPause>();
  /** Why unfinished sessions do not run here, by `tenant/id`. */
  readonly unloadable = new Map<string, string>();
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
      agent = {
        tenant,
        id,
        record: undefined,
        live: undefined,
        attempts: new Set(),
        reserved: 0,
        lastPlaced: 0,
        version: 0,
        coolUntil: 0,
      };
      this.agents.set(key, agent);
    }
    return agent;
  }

  nextPlacement(): number {
    this.placements += 1;
    return this.placements;
  }
}

/** Makes placements true: each is one step that compares the agent's liveness. Which task gets which agent, and when, is the scheduler's. */
import {AgentLive} from '../../protocol/model/agent.ts';
import type {AttemptLive, AttemptRecord} from '../../protocol/model/attempt.ts';
import {encodeRecord, parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import {putRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import * as changes from '../deciding/changes.ts';
import type {AgentNode, AttemptNode, SessionNode, TaskNode} from '../fleet/fleet.ts';
import {attemptNode, takeAttempt} from '../fleet/nodes.ts';
import {decisionRecord} from '../placing/placement.ts';
import type {Placement} from '../placing/scheduler.ts';
import {spendsOnModel} from '../queue/readyQueue.ts';
import {guarded, nowOf, type Term} from '../term/term.ts';
import type {CurrentKeys} from './committer.ts';
import {type TaskSteps, unchangedAttempt} from './taskSteps.ts';

export interface AssignmentEffects {
  /** It could not be assigned now. */
  evaluate(task: TaskNode): void;
  /** The attempt was lost: another has taken its place. */
  replaced(task: TaskNode, attempt: AttemptNode): void;
  assigned(attempt: AttemptNode): void;
}

/** An attempt with what its step writes beside the records of task and attempt. */
interface Begun {
  readonly record: AttemptRecord;
  readonly change: changes.Change;
  readonly compare: readonly Compare[];
  readonly ops: readonly Op[];
  committed(attempt: AttemptNode, revision: number): void;
  refused(current: CurrentKeys | undefined): void;
}

export class Assignments {
  constructor(
    private readonly term: Term,
    private readonly steps: TaskSteps,
    private readonly effects: AssignmentEffects,
  ) {}

  assignAll(placements: readonly Placement[]): void {
    const prompts = new Map<SessionNode, number>();
    const count = ({task}: Placement, by: number): number => {
      const counted = (prompts.get(task.session) ?? 0) + (spendsOnModel(task) ? by : 0);
      prompts.set(task.session, counted);
      return counted;
    };
    for (const placement of placements) count(placement, 1);
    for (const placement of placements) {
      const alike = Math.max(1, count(placement, 0));
      const {session} = placement.task;
      guarded(this.term, 'an assignment', () => this.assign(placement, alike), session);
      count(placement, -1);
    }
  }

  /** `alike` prompts of the session, this one among them, are yet to be assigned. */
  private assign(placed: Placement, alike: number): void {
    const {term} = this;
    const {task, agent, beside} = placed;
    const live = agent.live;
    const attemptId = changes.nextAttemptId(task);
    const isHeld =
      task.busy || task.session.closed || task.session.held || !live || (beside && !isStillAlone(placed));
    const budgetUsd =
      isHeld || !spendsOnModel(task)
        ? undefined
        : term.allotments.allot(task, attemptId, alike, beside !== undefined);
    if (isHeld || budgetUsd === 'none') {
      agent.reserved -= 1;
      this.effects.evaluate(task);
      return;
    }
    const {record, ...begun} = beside
      ? this.beside(placed, beside, budgetUsd)
      : this.alone(placed, budgetUsd);
    const {keys} = task.session;
    const liveValue: AttemptLive = {
      v: RECORD_VERSION,
      principal: term.principal,
      agentId: agent.id,
      agentIncarnation: record.agentIncarnation,
    };
    const text = encodeRecord(record);
    this.steps.submit(task, {
      change: begun.change,
      compare: [{key: keys.agentLive(agent.id), target: 'mod', op: '=', operand: live.mod}, ...begun.compare],
      ops: [
        {kind: 'put', key: keys.attempt(record.id), value: text},
        putRecord(keys.live(record.id), liveValue),
        ...begun.ops,
      ],
      committed: revision => {
        agent.reserved -= 1;
        const attempt = attemptNode(task, agent, record, revision, revision);
        attempt.written = text;
        begun.committed(attempt, revision);
        term.allotments.take(attempt);
        agent.attempts.add(attempt);
        this.effects.assigned(attempt);
      },
      refused: current => {
        agent.reserved -= 1;
        term.allotments.release(task.session, record.id);
        if (current) this.refreshLive(agent, keys.agentLive(agent.id), current);
        begun.refused(current);
      },
    });
  }

  /** The task's only attempt, which takes the place of one that is lost. */
  private alone(placed: Placement, budgetUsd: number | undefined): Begun {
    const {task, agent} = placed;
    const replaced = task.attempt;
    const {attempt: record, ...change} = changes.assigned(
      task,
      agent,
      decisionRecord(placed),
      this.term,
      budgetUsd,
      nowOf(this.term),
    );
    return {
      record,
      change,
      compare: [],
      ops: [],
      committed: attempt => {
        if (replaced) this.effects.replaced(task, replaced);
        task.attempt = attempt;
        task.lastAgent = placeOf(agent);
      },
      refused: () => undefined,
    };
  }

  /** A second attempt: the record of the first names it, so that whoever completes first can end the other. */
  private beside(
    placed: Placement,
    beside: NonNullable<Placement['beside']>,
    budgetUsd: number | undefined,
  ): Begun {
    const {task, agent} = placed;
    const current = task.attempt as AttemptNode;
    const {
      attempt: record,
      current: named,
      ...change
    } = changes.doubled(
      task,
      current,
      agent,
      {placement: decisionRecord(placed), beside},
      this.term,
      budgetUsd,
      nowOf(this.term),
    );
    const text = encodeRecord(named);
    return {
      record,
      change,
      compare: [unchangedAttempt(current)],
      ops: [{kind: 'put', key: current.key, value: text}],
      committed: (attempt, revision) => {
        current.record = named;
        current.mod = revision;
        current.written = text;
        task.backup = attempt;
        task.session.speculation.begun += 1;
        task.session.dirty = true;
      },
      refused: now => {
        const stored = now?.get(current.key);
        if (stored) takeAttempt(current, stored);
      },
    };
  }

  /** What the refusal says of the agent's live key, which the watch has yet to tell. */
  private refreshLive(agent: AgentNode, key: string, current: CurrentKeys): void {
    const kv = current.get(key);
    if (kv?.modRevision === agent.live?.mod) return;
    agent.live = kv && {value: parseRecord(AgentLive, key, kv.value), mod: kv.modRevision};
    agent.version += 1;
  }
}

export function placeOf({id, record}: AgentNode): TaskNode['lastAgent'] {
  return {id, region: record?.instance.metadata.region ?? ''};
}

/** The attempt beside which it was to begin is the task's only one, and still at work. */
function isStillAlone({task, beside}: Placement): boolean {
  const {attempt, backup} = task;
  const isWorking = attempt?.record.state === 'assigned' || attempt?.record.state === 'running';
  return isWorking && !backup && !task.wanted && attempt?.record.id === beside?.attemptId;
}

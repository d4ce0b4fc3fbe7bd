/**
 * Questions to people, as far as the lead cares: it asks its own about parked tasks, takes the answers, and withdraws what an attempt that
 * ended still asks. Answering, and telling a running attempt, are left to others.
 */
import {ApprovalRecord} from '../../protocol/model/facts.ts';
import {parseRecord, RECORD_VERSION} from '../../protocol/model/record.ts';
import {putRecord, unchanged} from '../../store/records.ts';
import type {KeyValue, Op} from '../../store/store.ts';
import type {AttemptNode, SessionNode, TaskNode} from '../fleet/fleet.ts';
import type {GateApprovals} from '../gates/gateApprovals.ts';
import type {Term} from '../term/term.ts';

interface Waiting {
  readonly key: string;
  readonly record: ApprovalRecord;
  readonly mod: number;
}

export class Approvals {
  /** By session, then key. */
  private readonly waiting = new Map<SessionNode, Map<string, Waiting>>();

  constructor(
    private readonly term: Term,
    private readonly gates: Pick<GateApprovals, 'take'>,
    private readonly answered: (task: TaskNode) => void,
  ) {}

  question(task: TaskNode, subject: 'losses' | 'onLost', message: string): Op {
    const {session, spec, attempt} = task;
    const id = `${decisionPrefix(task)}${subject}`;
    const record: ApprovalRecord = {
      v: RECORD_VERSION,
      principal: this.term.principal,
      id,
      sessionId: session.id,
      taskId: spec.id,
      attemptId: attempt?.record.id,
      agentId: attempt?.record.agentId,
      request: {kind: 'decision', subject, message: message.slice(0, 4096)},
      state: {kind: 'waiting'},
      askedAt: this.term.clock.wallNow(),
    };
    return putRecord(session.keys.approval(session.id, id), record);
  }

  /** Takes a change of an approval of `session`. */
  take(session: SessionNode, kv: KeyValue): void {
    const record = parseRecord(ApprovalRecord, kv.key, kv.value);
    let known = this.waiting.get(session);
    if (record.state.kind === 'waiting') {
      if (!known) {
        known = new Map();
        this.waiting.set(session, known);
      }
      known.set(kv.key, {key: kv.key, record, mod: kv.modRevision});
      const task = session.tasks.get(record.taskId);
      if (isOfAttempt(record) && task && task.attempt?.record.id !== record.attemptId)
        this.withdrawFor(session, other => other.key === kv.key);
      return;
    }
    known?.delete(kv.key);
    if (record.state.kind !== 'answered' || record.request.kind !== 'decision') return;
    if (record.request.subject === 'gate') {
      this.gates.take(kv.key, record);
      return;
    }
    const task = session.tasks.get(record.taskId);
    if (task?.record.waitingFor?.kind !== 'person') return;
    // An answer to an earlier question is not one to this.
    if (!record.id.startsWith(decisionPrefix(task))) return;
    task.answer = record.state.answer.kind === 'allow' ? 'allow' : 'deny';
    this.answered(task);
  }

  drop(session: SessionNode, key: string): void {
    this.waiting.get(session)?.delete(key);
  }

  /** Nobody needs an answer to what this attempt asked. */
  withdrawAttempt(attempt: AttemptNode): void {
    const {id} = attempt.record;
    this.withdrawFor(attempt.task.session, ({record}) => record.attemptId === id && isOfAttempt(record));
  }

  /** A person decided about the task by other means. */
  withdrawDecisions(task: TaskNode): void {
    this.withdrawFor(task.session, ({record}) => record.taskId === task.spec.id && !isOfAttempt(record));
  }

  withdrawSession(session: SessionNode): void {
    this.withdrawFor(session, () => true);
    this.waiting.delete(session);
  }

  /** The session does not run here. */
  forget(session: SessionNode): void {
    this.waiting.delete(session);
  }

  private withdrawFor(session: SessionNode, isMeant: (waiting: Waiting) => boolean): void {
    const known = this.waiting.get(session);
    if (!known) return;
    for (const waiting of [...known.values()]) {
      if (!isMeant(waiting)) continue;
      known.delete(waiting.key);
      const record: ApprovalRecord = {
        ...waiting.record,
        principal: this.term.principal,
        state: {kind: 'withdrawn', at: this.term.clock.wallNow()},
      };
      // Refused when somebody answered just now: then there is nothing to withdraw.
      this.term.committer.submit({
        compare: [unchanged({key: waiting.key, modRevision: waiting.mod})],
        ops: [putRecord(waiting.key, record)],
        committed: () => undefined,
        refused: () => undefined,
      });
    }
  }
}

/** The attempt waits for it, or the gate of one; else it is about what became of one. */
function isOfAttempt({request}: ApprovalRecord): boolean {
  return request.kind !== 'decision' || request.subject === 'gate';
}

/** The attempts so far make the question unique: the next one is asked after another attempt. */
function decisionPrefix(task: TaskNode): string {
  return `${task.spec.id}.${task.record.attempts}.`;
}

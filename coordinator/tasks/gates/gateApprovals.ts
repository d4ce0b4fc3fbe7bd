/** Has gates of the kind `approval` judged: puts the question to people, once for each attempt, and takes the answer, whoever leads by then. */
import type {ApprovalGate, GatedChange, GateEvidence} from '../../protocol/gate.ts';
import {ApprovalRecord} from '../../protocol/model/facts.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {formatDuration} from '../../protocol/plan/duration.ts';
import {delay} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {absent, putRecord, readRecord, unchanged} from '../../store/records.ts';
import {reportedResult} from '../controls/steering.ts';
import type {AttemptNode} from '../fleet/fleet.ts';
import type {Term} from '../term/term.ts';

/** Wall time may jump: it is read again at least so often. */
const LONGEST_DELAY_MS = 60_000;
const SUMMARY_CHARS = 4000;

export class GateApprovals {
  /** By key: who waits for the answer. */
  private readonly waiting = new Map<string, Deferred<ApprovalRecord>>();

  constructor(private readonly term: Term) {}

  /** Takes a change of a question about a gate. */
  take(key: string, record: ApprovalRecord): void {
    if (record.state.kind === 'answered') this.waiting.get(key)?.resolve(record);
  }

  async isAsked(attempt: AttemptNode, gate: ApprovalGate): Promise<boolean> {
    const stored = await readRecord(this.term.store, ApprovalRecord, keyOf(attempt, gate));
    return stored !== undefined && stored.value.state.kind !== 'withdrawn';
  }

  /** Resolves with the answer, or without one when it took too long. Rejects with `stop`, or when the lead is lost. */
  async judged(
    attempt: AttemptNode,
    gate: ApprovalGate,
    change: GatedChange | undefined,
    stop: AbortSignal,
  ): Promise<GateEvidence> {
    const key = keyOf(attempt, gate);
    const answered = deferred<ApprovalRecord>();
    // Before the question is there, so that no answer is missed.
    this.waiting.set(key, answered);
    const over = new AbortController();
    const signal = AbortSignal.any([stop, this.term.signal, over.signal]);
    try {
      const asked = await this.ask(attempt, gate, change, key);
      if (asked.state.kind === 'answered') return evidenceOf(gate, asked);
      const record = await Promise.race([answered.promise, this.tooLate(gate, asked, signal)]);
      return evidenceOf(gate, record ?? asked);
    } finally {
      over.abort();
      if (this.waiting.get(key) === answered) this.waiting.delete(key);
    }
  }

  private async ask(
    attempt: AttemptNode,
    gate: ApprovalGate,
    change: GatedChange | undefined,
    key: string,
  ): Promise<ApprovalRecord> {
    const {store, committer, clock} = this.term;
    for (;;) {
      const stored = await readRecord(store, ApprovalRecord, key);
      if (stored && stored.value.state.kind !== 'withdrawn') return stored.value;
      const record = question(attempt, gate, change, this.term.principal, clock.wallNow());
      const revision = await committer.run(
        [stored ? unchanged(stored) : absent(key)],
        [putRecord(key, record)],
      );
      if (revision !== undefined) return record;
    }
  }

  /** Rejects when nobody waits any more. */
  private async tooLate(
    {timeoutMs}: ApprovalGate,
    {askedAt}: ApprovalRecord,
    signal: AbortSignal,
  ): Promise<undefined> {
    const {clock} = this.term;
    for (;;) {
      const left = timeoutMs === undefined ? LONGEST_DELAY_MS : askedAt + timeoutMs - clock.wallNow();
      if (left <= 0) return undefined;
      await delay(clock, Math.min(left, LONGEST_DELAY_MS), signal);
    }
  }
}

/** One for each gate and attempt. */
function keyOf(attempt: AttemptNode, gate: ApprovalGate): string {
  const {session} = attempt.task;
  return session.keys.approval(session.id, approvalId(attempt, gate));
}

function approvalId({task, record}: AttemptNode, gate: ApprovalGate): string {
  const index = task.spec.gates.findIndex(one => one.name === gate.name);
  return `${task.spec.id}.${record.number}.gate${index + 1}`;
}

function question(
  attempt: AttemptNode,
  gate: ApprovalGate,
  change: GatedChange | undefined,
  principal: string,
  at: number,
): ApprovalRecord {
  const {task, record} = attempt;
  const message = gate.message ?? `does the result of task ${task.spec.id} count?`;
  return {
    v: RECORD_VERSION,
    principal,
    id: approvalId(attempt, gate),
    sessionId: task.session.id,
    taskId: task.spec.id,
    attemptId: record.id,
    agentId: record.agentId,
    request: {
      kind: 'decision',
      subject: 'gate',
      message,
      gate: gate.name,
      summary: reportedResult(record)?.summary.slice(0, SUMMARY_CHARS),
      change,
    },
    state: {kind: 'waiting'},
    askedAt: at,
  };
}

function evidenceOf(gate: ApprovalGate, {askedAt, state}: ApprovalRecord): GateEvidence {
  const base = {gate: gate.name, type: gate.type, exitCode: null} as const;
  if (state.kind !== 'answered')
    return {
      ...base,
      passed: false,
      output: `nobody answered within ${formatDuration(gate.timeoutMs ?? 0)}`,
      durationMs: gate.timeoutMs ?? 0,
    };
  const {answer, by, at} = state;
  return {
    ...base,
    passed: answer.kind === 'allow',
    output: answer.kind === 'deny' ? (answer.message ?? '') : '',
    durationMs: Math.max(0, at - askedAt),
    judge: by,
  };
}

/**
 * Questions of attempts to people, durable: asked once, answered once, withdrawn when the attempt is over. Answers are told as the store
 * tells them, at every coordinator: whoever holds the agent's socket passes them on, and what gets lost on the way is asked for again.
 */
import type * as z from 'zod';
import type {Logger} from '../observability/logger.ts';
import type {ApprovalAnswer, ApprovalRequest} from '../protocol/approval.ts';
import {
  type ApprovalAsk,
  type ApprovalAsked,
  LEAD_QUESTIONS,
  type QuestionAsk,
  type QuestionAsked,
} from '../protocol/commands/attempt.ts';
import type {ApprovalAnswerRequest} from '../protocol/commands/watch.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {type Fence, parseAttemptId} from '../protocol/ids.ts';
import {ApprovalRecord} from '../protocol/model/facts.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import {FINAL_SESSION_STATES, SessionRecord} from '../protocol/model/session.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {
  absent,
  exists,
  found,
  putRecord,
  readRecord,
  type Stored,
  storedRecord,
  unchanged,
} from '../store/records.ts';
import type {Op} from '../store/store.ts';
import {fitRequest} from './approvalRequest.ts';
import {type Fences, requireFenceOf, staleFence} from './fences.ts';
import {KeyedQueue} from './keyedQueue.ts';
import type {LiveAttempts} from './liveAttempts.ts';
import {boundedPut} from './recordSize.ts';
import {type RecordChange, WatchedRecords} from './watchedRecords.ts';

export interface ApprovalsOptions {
  readonly fences: Fences;
  readonly attempts: LiveAttempts;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What goes to the agent as `mcpx.approval.deliver`. */
export interface AnsweredApproval {
  readonly agentId: string;
  readonly attemptId: string;
  readonly approvalId: string;
  readonly answer: ApprovalAnswer;
}

export class Approvals implements Disposable {
  private readonly records: WatchedRecords<typeof ApprovalRecord>;
  /** Approvals of an attempt that wait, by attempt. */
  private readonly waiting = new Map<string, Set<string>>();
  private readonly answered = new Emitter<AnsweredApproval>();
  private readonly queue = new KeyedQueue();
  private readonly owned = new DisposableStore();

  /** Runs for every answer to an attempt that is committed from now on, here or elsewhere. */
  readonly onAnswered = this.answered.event;

  constructor(private readonly options: ApprovalsOptions) {
    const {fences, attempts, clock, logger} = options;
    const {store, keys} = fences;
    this.records = this.owned.add(
      new WatchedRecords({store, schema: ApprovalRecord, prefix: keys.allApprovals, clock, logger}),
    );
    this.owned.add(this.answered);
    this.owned.add(this.records.onChange(change => this.changed(change)));
    this.owned.add(attempts.onGone(({attemptId}) => this.attemptGone(attemptId)));
  }

  /** Call once the live attempts have started: what waits for attempts that ended meanwhile is withdrawn. */
  async start(): Promise<void> {
    await this.records.start();
    for (const attemptId of [...this.waiting.keys()])
      if (!this.options.attempts.get(attemptId)) this.attemptGone(attemptId);
  }

  dispose(): void {
    this.owned.dispose();
    this.waiting.clear();
  }

  /** As `dispose`; resolves when what was begun has settled. */
  async stop(): Promise<void> {
    this.dispose();
    await this.queue.idle();
  }

  /**
   * Puts the question, once: asked again it gives the answer if there is one. A request whose input is too large for a record is kept with
   * its long texts cut, for people; the agent holds the whole. Errors: `staleFence`, `forbidden`, `conflict` (the id is another attempt's).
   */
  async ask(
    params: z.infer<typeof ApprovalAsk>,
    principal: Principal,
  ): Promise<z.infer<typeof ApprovalAsked>> {
    const {fence, approvalId, attemptId} = params;
    requireFenceOf(attemptId, fence);
    const {fences} = this.options;
    const {sessionId, taskId, agentId} = (await fences.aloneOf(fence, principal)).value;
    const key = fences.keys.approval(sessionId, approvalId);
    const {request, shortened} = fitRequest(params.request);
    const record: ApprovalRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      id: approvalId,
      sessionId,
      taskId,
      attemptId,
      agentId,
      request,
      shortened: shortened || undefined,
      state: {kind: 'waiting'},
      askedAt: this.options.clock.wallNow(),
    };
    const effect = {fence, principal, kind: 'approval' as const, detail: approvalId};
    const outcome = await fences.commit(effect, {
      compare: [absent(key)],
      then: [boundedPut(key, record)],
      else: [{kind: 'get', key}],
    });
    if (outcome.kind === 'done') return {};
    const known = found(outcome.responses[0]);
    if (!known) throw new ProtocolError('overloaded', `approval ${approvalId} is contended`);
    return askedBefore(storedRecord(ApprovalRecord, known).value, fence);
  }

  /**
   * Puts a question without waiting, once, or tells what became of it: of a client for a session that has not ended, of an attempt for its task.
   * Errors: `notFound`, `conflict` (the session has ended, or the id is of another asker), `staleFence`, `forbidden`.
   */
  async question(params: QuestionAsk, principal: Principal): Promise<QuestionAsked> {
    const {sessionId, questionId, fence, questions} = params;
    const {fences} = this.options;
    const key = fences.keys.approval(sessionId, questionId);
    const known = await readRecord(fences.store, ApprovalRecord, key);
    if (known) return {state: ofAsker(known.value, fence, principal).state};
    if (!questions) throw new ProtocolError('notFound', `there is no question ${questionId} in ${sessionId}`);
    if (principal.role === 'agent') {
      if (!fence) throw new ProtocolError('forbidden', 'an attempt asks under its fence');
      const {attempt: attemptId} = fence;
      if (parseAttemptId(attemptId)?.sessionId !== sessionId)
        throw new ProtocolError('forbidden', `attempt ${attemptId} works in another session`);
      const request = {kind: 'question' as const, questions};
      await this.ask({attemptId, fence, approvalId: questionId, request}, principal);
    } else await this.askForSession({...params, questions}, key, principal);
    return this.question({...params, questions: undefined}, principal);
  }

  /** The session is compared: a question that comes after its end would wait for ever. */
  private async askForSession(
    {sessionId, questionId, taskId = LEAD_QUESTIONS, questions}: QuestionAsk & {questions: Questions},
    key: string,
    principal: Principal,
  ): Promise<void> {
    const {fences, clock} = this.options;
    const {request} = fitRequest({kind: 'question', questions});
    const record: ApprovalRecord = {
      v: RECORD_VERSION,
      principal: principal.id,
      id: questionId,
      sessionId,
      taskId,
      request,
      state: {kind: 'waiting'},
      askedAt: clock.wallNow(),
    };
    for (let tries = fences.settings.maxTries; tries > 0; tries--) {
      const session = await readRecord(fences.store, SessionRecord, fences.keys.session(sessionId));
      if (!session) throw new ProtocolError('notFound', `there is no session ${sessionId}`);
      if (FINAL_SESSION_STATES.has(session.value.state))
        throw new ProtocolError(
          'conflict',
          `session ${sessionId} is ${session.value.state}: nobody waits for an answer`,
        );
      const {succeeded, responses} = await fences.store.txn({
        compare: [unchanged(session), absent(key)],
        then: [boundedPut(key, record)],
        else: [{kind: 'get', key}],
      });
      if (succeeded || found(responses[0])) return;
    }
    throw new ProtocolError('overloaded', `session ${sessionId} is contended: ask again`);
  }

  /** Answers a waiting question, once. Errors: `conflict` (says who answered, or that it was withdrawn), `notFound`, `invalidParams`. */
  async answer(
    params: z.infer<typeof ApprovalAnswerRequest>,
    principal: Principal,
  ): Promise<Record<string, never>> {
    if (principal.role === 'agent') throw new ProtocolError('forbidden', 'agents do not answer for people');
    const {sessionId, approvalId, answer} = params;
    const {fences, audit, clock} = this.options;
    const key = fences.keys.approval(sessionId, approvalId);
    for (let tries = fences.settings.maxTries; tries > 0; tries--) {
      const before = await readRecord(fences.store, ApprovalRecord, key);
      if (!before) throw new ProtocolError('notFound', `there is no approval ${approvalId}`);
      checkWaiting(before.value);
      checkAnswer(before.value.request, answer);
      const attemptId = askerOf(before.value);
      const state = {kind: 'answered' as const, answer, by: principal.id, at: clock.wallNow()};
      const get: Op[] = attemptId === undefined ? [] : [{kind: 'get', key: fences.keys.live(attemptId)}];
      const result = await audit.auditedTxn(
        {
          compare: [
            unchanged(before),
            ...(attemptId === undefined ? [] : [exists(fences.keys.live(attemptId))]),
          ],
          then: [boundedPut(key, {...before.value, principal: principal.id, state})],
          else: get,
        },
        {
          action: 'approval.answer',
          subject: `approval ${sessionId}/${approvalId}`,
          detail: {answer: answer.kind},
          principal,
          refusals: false,
        },
      );
      if (result.succeeded) return {};
      if (attemptId !== undefined && result.responses.length > 0 && !found(result.responses[0])) {
        await this.withdraw(key);
        throw new ProtocolError(
          'conflict',
          `attempt ${attemptId} has ended: there is nothing to approve any more`,
        );
      }
    }
    throw new ProtocolError('overloaded', `approval ${approvalId} is contended`);
  }

  private changed({key, now, before}: RecordChange<ApprovalRecord>): void {
    const record = (now ?? before)?.value;
    const attemptId = record && askerOf(record);
    if (attemptId === undefined) return;
    const waits = now?.value.state.kind === 'waiting';
    const keys = this.waiting.get(attemptId) ?? new Set();
    if (waits) this.waiting.set(attemptId, keys.add(key));
    else keys.delete(key);
    if (keys.size === 0) this.waiting.delete(attemptId);
    // The end of the attempt may have been seen before its question.
    if (waits && !this.options.attempts.get(attemptId)) this.attemptGone(attemptId);
    const state = now?.value.state;
    const agentId = record?.agentId;
    if (state?.kind !== 'answered' || before?.value.state.kind === 'answered' || agentId === undefined)
      return;
    this.answered.emit({agentId, attemptId, approvalId: record?.id ?? '', answer: state.answer});
  }

  private attemptGone(attemptId: string): void {
    for (const key of this.waiting.get(attemptId) ?? [])
      void this.queue
        .run(key, () => this.withdraw(key))
        .catch((error: unknown) =>
          this.options.logger.warn('an approval of an ended attempt still waits', {key, error}),
        );
  }

  /** Whoever of the coordinators comes first writes it. */
  private async withdraw(key: string): Promise<void> {
    const {fences, clock} = this.options;
    let record: Stored<ApprovalRecord> | undefined = this.records.get(key);
    for (let tries = fences.settings.maxTries; tries > 0 && record?.value.state.kind === 'waiting'; tries--) {
      const attemptId = askerOf(record.value);
      const state = {kind: 'withdrawn' as const, at: clock.wallNow()};
      const result = await fences.store.txn({
        compare: [
          unchanged(record),
          ...(attemptId === undefined ? [] : [absent(fences.keys.live(attemptId))]),
        ],
        then: [putRecord(key, {...record.value, state})],
        else: [{kind: 'get', key}],
      });
      if (result.succeeded) return;
      const now = found(result.responses[0]);
      if (now?.modRevision === record.modRevision) return;
      record = now && storedRecord(ApprovalRecord, now);
    }
  }
}

type Questions = NonNullable<QuestionAsk['questions']>;

/** Only who asked is told the answer. */
function ofAsker(record: ApprovalRecord, fence: Fence | undefined, principal: Principal): ApprovalRecord {
  const isAsker =
    principal.role === 'agent'
      ? fence !== undefined && record.attemptId === fence.attempt && record.agentId === principal.agentId
      : record.attemptId === undefined && record.request.kind === 'question';
  if (isAsker) return record;
  throw new ProtocolError('conflict', `question ${record.id} was asked by somebody else`);
}

function askedBefore(record: ApprovalRecord, fence: Fence): z.infer<typeof ApprovalAsked> {
  if (record.attemptId !== fence.attempt)
    throw new ProtocolError('conflict', `approval ${record.id} was asked by attempt ${record.attemptId}`);
  switch (record.state.kind) {
    case 'waiting':
      return {};
    case 'answered':
      return {answer: record.state.answer};
    case 'withdrawn':
      throw staleFence(fence, 'its question was withdrawn');
  }
}

/** The attempt that waits for the answer. A decision is about one, and waited for by the lead, whatever became of the attempt. */
function askerOf(record: ApprovalRecord): string | undefined {
  return record.request.kind === 'decision' ? undefined : record.attemptId;
}

function checkWaiting({id, state}: ApprovalRecord): void {
  if (state.kind === 'answered')
    throw new ProtocolError('conflict', `approval ${id} was answered by ${state.by}`, {
      by: state.by,
      at: state.at,
      answer: state.answer.kind,
    });
  if (state.kind === 'withdrawn')
    throw new ProtocolError('conflict', `approval ${id} was withdrawn: its attempt has ended`, {
      at: state.at,
    });
}

function checkAnswer(request: ApprovalRequest, answer: ApprovalAnswer): void {
  const fits = request.kind === 'question' ? answer.kind !== 'allow' : answer.kind !== 'answers';
  if (!fits)
    throw new ProtocolError('invalidParams', `a ${request.kind} is not answered with "${answer.kind}"`);
}

/**
 * Keeps the conversation of one attempt at the coordinator as it goes on: after a batch of tool calls, while Claude Code waits, what the worktree is
 * and how far the transcript has come are taken together; they are sent beside the work, one after the other, the newest instead of all that wait.
 */
import {realpath} from 'node:fs/promises';
import {isProtocolError} from '../../protocol/errors.ts';
import {CHECKPOINT_FORMAT, type Checkpoint, type Continued} from '../../protocol/model/checkpoint.ts';
import {atMost} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {ConversationKeeper} from '../driver.ts';
import type {Attempt} from '../runner/attempt.ts';
import type {RunnerServices} from '../runner/runnerServices.ts';
import {isAwayOrFull, untilTaken} from '../runner/untilTaken.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {Continuation} from './continuation.ts';
import {KeptTranscript} from './keptTranscript.ts';
import {KeptWork, type Snapshot} from './keptWork.ts';
import {Ledger, type LedgerLine} from './ledger.ts';
import {maskedEntry} from './maskedEntry.ts';
import {MAIN_FILE, type TranscriptEntry} from './transcriptEntry.ts';

interface Job {
  /** Of the lines that are not kept yet, so many belong to it. */
  readonly lines: number;
  readonly work: Snapshot | undefined;
  readonly calls: number;
  readonly seq: number;
}

/** Claude Code writes its transcript some hundred milliseconds behind. */
const ARRIVAL_MS = 3000;
/** Longer than this the work does not wait for a checkpoint. */
const HOLD_MS = 10_000;
/** Of the attempt's time at most this part goes into waiting for checkpoints. */
const SHARE = 0.25;
const AUTHOR = {name: 'MCPX', email: 'mcpx@localhost'};

export class Checkpointer implements ConversationKeeper {
  private readonly ledger: Ledger;
  private readonly transcript: KeptTranscript;
  private readonly work: KeptWork | undefined;
  private readonly over = new AbortController();
  private unkept: LedgerLine[] = [];
  private waiting: Job | undefined;
  private sending: Promise<void> | undefined;
  private taking: Promise<void> | undefined;
  private isFull = false;
  private notBefore = 0;
  private trailing: Disposable = noDisposable;
  private arrived: (() => void)[] = [];
  private seq = 0;
  private told = '';
  private conversation: string | undefined;
  private version: string | undefined;

  private constructor(
    private readonly attempt: Attempt,
    private readonly services: RunnerServices,
    workspace: Workspace,
    worktree: readonly string[],
    private readonly before: Continuation | undefined,
  ) {
    const {artifacts, upload, clock} = services;
    const {sessionId, taskId} = attempt.assign;
    this.ledger = new Ledger(before?.lines);
    this.transcript = new KeptTranscript({worktree, artifacts, upload}, before?.checkpoint.transcript);
    const request = {
      message: `Unfinished work of ${taskId}`,
      trailers: {'MCPX-Session': sessionId, 'MCPX-Task': taskId, 'MCPX-Attempt': attempt.id},
      author: AUTHOR,
      at: clock.wallNow(),
    };
    this.work = workspace.git && new KeptWork(workspace, request, before?.checkpoint.work?.bundles);
  }

  static async open(
    attempt: Attempt,
    services: RunnerServices,
    workspace: Workspace,
    before?: Continuation,
  ): Promise<Checkpointer> {
    const names = new Set([workspace.path, await realpath(workspace.path)]);
    return new Checkpointer(attempt, services, workspace, [...names], before);
  }

  get resume(): ConversationKeeper['resume'] {
    const {before} = this;
    return before && {conversation: before.checkpoint.conversation, lines: before.lines};
  }

  added(file: string, entries: readonly TranscriptEntry[]): void {
    for (const entry of entries) {
      this.ledger.add(file, maskedEntry(entry, this.attempt.mask));
      const {sessionId, version} = entry;
      if (file === MAIN_FILE && typeof sessionId === 'string') this.conversation = sessionId;
      if (typeof version === 'string') this.version = version;
    }
    for (const wake of this.arrived.splice(0)) wake();
  }

  async batchEnded(calls: readonly string[]): Promise<void> {
    if (this.over.signal.aborted || this.isFull) return;
    const {clock} = this.services;
    const waitMs = this.notBefore - clock.now();
    if (waitMs > 0 || this.taking) {
      this.planTrailing(waitMs);
      return;
    }
    await atMost(clock, HOLD_MS, this.take(calls));
  }

  /** Resolves when nothing of it reads the worktree or sends any more. */
  async stop(): Promise<void> {
    this.over.abort(new CoordinatorError('cancelled', 'the attempt is over'));
    this.trailing.dispose();
    for (const wake of this.arrived.splice(0)) wake();
    await this.taking;
    await this.sending;
  }

  /** Says once to people and to the record that the conversation goes on here. */
  async continues(from: Continued): Promise<void> {
    const {attemptId, fence} = this.attempt.assign;
    const {link, logger} = this.services;
    try {
      await link.deliver(
        'mcpx.checkpoint.taken',
        {attemptId, fence, from},
        {signal: this.over.signal, maxFaults: 3},
      );
    } catch (error) {
      if (!this.over.signal.aborted)
        logger.warn('a continued attempt is not marked as such', {attemptId, error});
    }
  }

  /** The last of several quick batches is kept too, unless another call has begun by then. */
  private planTrailing(waitMs: number): void {
    this.trailing.dispose();
    this.trailing = this.services.clock.schedule(
      Math.max(waitMs, this.services.settings.checkpointMs),
      () => {
        if (!this.taking && this.ledger.isWhole) void this.take([]);
      },
    );
  }

  /** Never rejects. */
  private take(calls: readonly string[]): Promise<void> {
    const taking = this.takeNow(calls).finally(() => {
      this.taking = undefined;
    });
    this.taking = taking;
    return taking;
  }

  private async takeNow(calls: readonly string[]): Promise<void> {
    const {clock, logger, settings} = this.services;
    const began = clock.now();
    this.trailing.dispose();
    try {
      if (!(await this.arrival(calls))) return;
      const lastSeq = this.attempt.transcript.lastSeq;
      const covered = this.ledger.calls;
      const lines = this.ledger.take();
      this.unkept.push(...lines);
      if (lines.length === 0) return;
      const taken = await this.work?.take(this.over.signal);
      if (taken?.kind === 'refused') return this.tell(taken.message);
      this.waiting = {lines: this.unkept.length, work: taken?.snapshot, calls: covered, seq: this.seq};
      this.seq = lastSeq;
      this.send();
    } catch (error) {
      if (this.over.signal.aborted) return;
      logger.warn('a checkpoint was not taken', {attemptId: this.attempt.id, error});
      this.tell(describeError(error));
    } finally {
      const now = clock.now();
      this.notBefore = now + Math.max(settings.checkpointMs, (now - began) * (1 / SHARE - 1));
    }
  }

  /** False when the results are late, or the attempt is over. */
  private async arrival(calls: readonly string[]): Promise<boolean> {
    const late = new AbortController();
    const {clock} = this.services;
    const timer = clock.schedule(ARRIVAL_MS, () => {
      late.abort();
      for (const wake of this.arrived.splice(0)) wake();
    });
    try {
      while (!this.ledger.holds(calls)) {
        if (late.signal.aborted || this.over.signal.aborted) return false;
        await new Promise<void>(resolve => this.arrived.push(resolve));
      }
      return !this.over.signal.aborted;
    } finally {
      timer.dispose();
    }
  }

  private send(): void {
    this.sending ??= this.sendAll().finally(() => {
      this.sending = undefined;
    });
  }

  private async sendAll(): Promise<void> {
    for (let job = this.waiting; job && !this.over.signal.aborted; job = this.waiting) {
      this.waiting = undefined;
      try {
        await this.keep(job);
      } catch (error) {
        if (this.over.signal.aborted) return;
        if (isProtocolError(error, 'staleFence')) this.attempt.stop({kind: 'stale'}, true);
        this.services.logger.warn('a checkpoint was not kept', {attemptId: this.attempt.id, error});
        this.tell(describeError(error));
      }
    }
  }

  private async keep(job: Job): Promise<void> {
    const {link, logger, settings} = this.services;
    const {attemptId, fence} = this.attempt.assign;
    const {signal} = this.over;
    const patience = {link, logger, attemptId, signal, passing: isAwayOrFull};
    const lines = this.unkept.slice(0, job.lines);
    const {work, transcript} = this;
    const parts = await untilTaken(() => transcript.with(lines, signal), patience);
    const left = settings.checkpointBytes - parts.reduce((sum, {bytes}) => sum + bytes, 0);
    const snapshot = job.work;
    const bundles = snapshot && (await untilTaken(async () => work?.with(snapshot, left, signal), patience));
    if (left < 0 || (snapshot && !bundles))
      return this.stopGrowing(
        `it would be more than ${settings.checkpointBytes} bytes (the agent's setting checkpointBytes)`,
      );
    const checkpoint: Checkpoint = {
      format: CHECKPOINT_FORMAT,
      conversation: this.conversation ?? '',
      claude: this.version ?? this.services.claudeVersion ?? '',
      calls: job.calls,
      seq: job.seq,
      transcript: parts,
      ...(snapshot && bundles ? {work: {...snapshot, bundles}} : {}),
    };
    await link.deliver('mcpx.checkpoint.save', {attemptId, fence, checkpoint}, {signal, maxFaults: 3});
    transcript.commit(parts);
    this.unkept = this.unkept.slice(job.lines);
    if (this.waiting) this.waiting = {...this.waiting, lines: this.waiting.lines - job.lines};
    if (bundles) await work?.commit(bundles);
    this.told = '';
    logger.debug('a conversation is kept', {attemptId, calls: job.calls, parts: parts.length});
  }

  /** What is kept stays; trying again each time would cost more and more. */
  private stopGrowing(why: string): void {
    this.isFull = true;
    this.tell(why);
  }

  private tell(why: string): void {
    if (this.told === why) return;
    this.told = why;
    this.attempt.transcript.note(
      'warn',
      `The conversation could not be kept as it is now, so another machine would go on from earlier: ${why}`,
    );
  }
}

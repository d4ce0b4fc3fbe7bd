/** One prompt task under Claude Code, from its start to the end of its last process. */

import type {ChildProcess} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import type {Readable, Writable} from 'node:stream';
import type {
  Query,
  SDKAssistantMessageError,
  SDKMessage,
  SDKResultMessage,
  SpawnedProcess,
  SpawnOptions,
} from '@anthropic-ai/claude-agent-sdk';
import type {Logger} from '../../../observability/logger.ts';
import type {Clock} from '../../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../../../runtime/errors.ts';
import type {
  DriverHost,
  DriverOutcome,
  DriverRun,
  DriverTask,
  PermissionPolicy,
  PromptOptions,
} from '../../driver.ts';
import type {Supervisor} from '../../supervisor/supervisor.ts';
import {claudeOptions} from './claudeOptions.ts';
import {outcomeOfResult} from './claudeOutcome.ts';
import {Inbox} from './inbox.ts';
import {keptConversation} from './keptConversation.ts';
import {askingHost, PERMISSION_MODES} from './permissions.ts';
import {limitOfEvent, limitOfRetry} from './rateLimits.ts';
import type {ClaudeSdk} from './sdk.ts';
import {clip, eventsOf, notice, userText} from './transcript.ts';
import {Turns} from './turns.ts';
import {UsageMeter} from './usageMeter.ts';

export interface ClaudeAttemptOptions {
  readonly task: DriverTask;
  readonly host: DriverHost;
  readonly supervisor: Supervisor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly executable: string;
  readonly graceMs: number;
  prepare(): Promise<ClaudeSdk | DriverOutcome>;
}

/** After background work a turn about it follows within milliseconds; a loaded machine is given more. */
const SETTLE_MS = 1500;
/** Claude Code writes its session down before it goes. */
const EXIT_MS = 10_000;
const STDERR_CHARACTERS = 4000;

export class ClaudeAttempt implements DriverRun {
  readonly outcome: Promise<DriverOutcome>;
  private readonly inbox = new Inbox();
  private readonly turns = new Turns();
  private readonly meter = new UsageMeter();
  /** Aborted once the attempt is ending: nobody's answer is needed then. */
  private readonly ended = new AbortController();
  private query: Query | undefined;
  private mode: PermissionPolicy['mode'];
  private cancelled = false;
  private interrupting = false;
  /** A person interrupted and has not said yet how to go on. */
  private paused = false;
  private verdict: DriverOutcome | undefined;
  private lastResult: SDKResultMessage | undefined;
  private structuredResult: unknown;
  private apiError: SDKAssistantMessageError | undefined;
  private session: string | undefined;
  private stderr = '';
  private settling: Disposable = noDisposable;
  private exiting: Disposable = noDisposable;

  constructor(private readonly options: ClaudeAttemptOptions) {
    const {work} = options.task;
    this.mode = work.kind === 'prompt' ? work.options.permissions.mode : 'dontAsk';
    // Now, so that whatever is sent while Claude Code starts comes after it.
    if (work.kind === 'prompt') this.send(work.prompt);
    this.outcome = this.run().catch((error: unknown): DriverOutcome => {
      options.logger.error('a Claude Code attempt failed by our own fault', {error});
      return {kind: 'failed', reason: 'internal', message: describeError(error)};
    });
  }

  send(text: string): boolean {
    if (this.inbox.isClosed) return false;
    const uuid = randomUUID();
    this.paused = false;
    this.settling.dispose();
    this.turns.onSent(uuid);
    this.inbox.push(uuid, text);
    this.options.host.event(userText(this.now(), text));
    return true;
  }

  async interrupt(): Promise<boolean> {
    if (!this.query || !this.turns.inTurn || this.inbox.isClosed) return false;
    this.interrupting = true;
    const done = await this.control('interrupt', query => query.interrupt());
    if (!done) this.interrupting = false;
    return done;
  }

  setModel(model: string): Promise<boolean> {
    return this.control('setModel', query => query.setModel(model));
  }

  /** `bypass` must have been the task's own mode: Claude Code does not take it up later. */
  async setPermissionMode(mode: PermissionPolicy['mode']): Promise<boolean> {
    const {work} = this.options.task;
    const may = mode !== 'bypass' || (work.kind === 'prompt' && work.options.permissions.mode === 'bypass');
    if (!may) return false;
    const done = await this.control('setPermissionMode', query =>
      query.setPermissionMode(PERMISSION_MODES[mode]),
    );
    if (done) this.mode = mode;
    return done;
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.close();
    // Asked by a signal, because a process that hangs does not read its input.
    this.kill(this.options.graceMs);
  }

  private async run(): Promise<DriverOutcome> {
    const {task, supervisor} = this.options;
    const {work} = task;
    if (work.kind !== 'prompt') return internal(`the claude driver was given work of kind ${work.kind}`);
    const prepared = await this.options.prepare();
    if ('kind' in prepared) {
      this.close();
      return this.cancelled ? {kind: 'cancelled'} : prepared;
    }
    if (this.cancelled) return {kind: 'cancelled'};
    let thrown: unknown;
    try {
      await this.converse(prepared, work.options);
    } catch (error) {
      thrown = error;
    } finally {
      this.settling.dispose();
      this.exiting.dispose();
    }
    const finished = this.inbox.isClosed && this.lastResult !== undefined;
    this.close();
    await supervisor.release(task.attemptId);
    if (this.cancelled) return {kind: 'cancelled'};
    if (this.verdict) return this.verdict;
    if (finished && this.lastResult) return this.outcomeOf(this.lastResult, work.options);
    return this.crashed(thrown);
  }

  /** Returns or throws when Claude Code has ended. */
  private async converse(sdk: ClaudeSdk, options: PromptOptions): Promise<void> {
    const {task, host, executable} = this.options;
    const gatekeeper = {host, mode: () => this.mode, ended: this.ended.signal};
    this.query = sdk.query({
      prompt: this.inbox,
      options: claudeOptions({
        task,
        prompt: options,
        executable,
        canUseTool: askingHost(gatekeeper),
        kept: options.keeper && keptConversation(options.keeper, task.env),
        spawn: spawned => this.spawn(spawned),
      }),
    });
    for await (const message of this.query) this.receive(message, options);
  }

  private spawn({command, args, cwd, env}: SpawnOptions): SpawnedProcess {
    const {supervisor, task} = this.options;
    // The kill that a cancellation sent found nothing yet.
    if (this.cancelled) throw new CoordinatorError('cancelled', 'cancelled before Claude Code was started');
    const set = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]));
    const {child} = supervisor.spawn(task.attemptId, {
      command,
      args,
      cwd: cwd ?? task.worktree,
      env: Object.fromEntries(set),
      stdin: 'pipe',
    });
    if (!hasPipes(child)) throw new CoordinatorError('claude', `cannot start ${command} in ${cwd}`);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_CHARACTERS);
    });
    return child;
  }

  private receive(message: SDKMessage, options: PromptOptions): void {
    const {host} = this.options;
    this.turns.onMessage(message);
    for (const event of eventsOf(message, this.now())) host.event(event);
    switch (message.type) {
      case 'system':
        if (message.subtype === 'init') this.onSession(message.session_id);
        if (message.subtype === 'api_retry') this.limited(limitOfRetry(message, this.now()));
        break;
      case 'assistant':
        if (message.error) this.apiError = message.error;
        this.meter.onAnswer(message.message.id, message.message.usage);
        host.usage(this.meter.spent);
        break;
      case 'rate_limit_event':
        this.limited(limitOfEvent(message.rate_limit_info));
        break;
      case 'result':
        this.onResult(message, options);
        break;
    }
    this.proceed();
  }

  /** Every turn begins with the same id; a cleared conversation gets another. */
  private onSession(sessionId: string): void {
    if (sessionId === this.session) return;
    this.session = sessionId;
    this.options.host.claudeSession(sessionId);
  }

  private onResult(result: SDKResultMessage, {budgetUsd}: PromptOptions): void {
    const {host} = this.options;
    this.meter.onResult(result);
    host.usage(this.meter.spent);
    this.lastResult = result;
    if (result.subtype === 'success' && result.structured_output !== undefined)
      this.structuredResult = result.structured_output;
    // The turn may have come to its own end just before the interruption arrived.
    const cut = this.interrupting && (result.terminal_reason?.startsWith('aborted') ?? false);
    this.interrupting = false;
    if (cut && !this.turns.inTurn) {
      this.paused = true;
      host.event(notice(this.now(), 'info', 'Interrupted. A message lets it go on.'));
    }
    const {costUsd} = this.meter.spent;
    if (budgetUsd === undefined || costUsd <= budgetUsd) return;
    const spent = `spent $${costUsd.toFixed(4)} of a budget of $${budgetUsd}`;
    this.verdict = {kind: 'failed', reason: 'budget', message: spent};
    this.close();
    // Messages that still wait would go on spending.
    this.kill(this.options.graceMs);
  }

  /** Ends the conversation once nothing is left to do. */
  private proceed(): void {
    this.settling.dispose();
    if (this.inbox.isClosed || this.lastResult === undefined || this.paused) return;
    const {state} = this.turns;
    if (state === 'idle') this.finish();
    if (state !== 'settling') return;
    this.settling = this.options.clock.schedule(SETTLE_MS, () => this.finish());
  }

  private finish(): void {
    if (this.inbox.isClosed) return;
    this.close();
    this.exiting = this.options.clock.schedule(EXIT_MS, () => {
      this.options.logger.warn('Claude Code did not end by itself after its work');
      this.kill(0);
    });
  }

  /** No more messages and answers; Claude Code works off what it has. */
  private close(): void {
    this.inbox.close();
    this.ended.abort();
  }

  private kill(graceMs: number): void {
    const polite = graceMs > 0 ? ({signal: 'SIGINT', to: 'root', graceMs} as const) : undefined;
    this.options.supervisor
      .killTree(this.options.task.attemptId, polite)
      .catch((error: unknown) => this.options.logger.error('cannot end Claude Code', {error}));
  }

  private outcomeOf(result: SDKResultMessage, {resultSchema}: PromptOptions): DriverOutcome {
    const outcome = outcomeOfResult(result, {
      wantsResult: resultSchema !== undefined && resultSchema !== null,
      earlierResult: this.structuredResult,
      apiError: this.apiError,
    });
    if (outcome.kind === 'failed' && outcome.reason === 'rateLimit') this.limited({message: outcome.message});
    return outcome;
  }

  private crashed(thrown: unknown): DriverOutcome {
    const why = thrown === undefined ? 'Claude Code ended in the middle of its work' : describeError(thrown);
    const said = this.stderr.trim();
    return {kind: 'failed', reason: 'crashed', message: clip(said === '' ? why : `${why}\n${said}`)};
  }

  private limited(limit: {resetAt?: number | undefined; message: string} | undefined): void {
    if (limit) this.options.host.rateLimited(limit);
  }

  private async control(what: string, act: (query: Query) => Promise<unknown>): Promise<boolean> {
    if (!this.query || this.inbox.isClosed) return false;
    try {
      await act(this.query);
      return true;
    } catch (error) {
      this.options.logger.warn('Claude Code did not take a control request', {what, error});
      return false;
    }
  }

  private now(): number {
    return this.options.clock.wallNow();
  }
}

function hasPipes(child: ChildProcess): child is ChildProcess & {stdin: Writable; stdout: Readable} {
  return child.stdin !== null && child.stdout !== null;
}

function internal(message: string): DriverOutcome {
  return {kind: 'failed', reason: 'internal', message};
}

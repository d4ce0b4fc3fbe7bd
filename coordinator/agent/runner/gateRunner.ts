/** Runs quality gates in the worktrees of finished attempts and keeps their evidence: a request sent twice gets one run. */
import type {QualityGate} from '../../protocol/commands/attempt.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {GateEvidence} from '../../protocol/gate.ts';
import {describeError} from '../../runtime/errors.ts';
import {type AttemptCommand, type CommandResult, runAttemptCommand} from '../drivers/attemptCommand.ts';
import type {Attempt} from './attempt.ts';
import {type Attempts, knownAttempt} from './attempts.ts';
import {clipText} from './clipEvent.ts';
import type {RunnerServices} from './runnerServices.ts';

const EVIDENCE_BYTES = 8192;
/** What is uploaded of an output at most. */
const KEPT_CHARACTERS = 8 * 1024 * 1024;
const STOPPED = 'it was stopped before it had ended';

interface GateRun {
  readonly evidence: Promise<GateEvidence>;
  /** Who waits for it; when the last one wants it no more it is ended. */
  readonly askers: Set<object>;
  readonly unwanted: AbortController;
}

interface AttemptGates {
  /** By name and command: a plan may name two alike. */
  readonly runs: Map<string, GateRun>;
  /** Gates of one attempt run one after the other: they share its worktree. */
  last: Promise<unknown>;
}

export class GateRunner {
  private readonly gates = new WeakMap<Attempt, AttemptGates>();

  constructor(
    private readonly attempts: Attempts,
    private readonly services: RunnerServices,
  ) {}

  /**
   * Throws `notFound`, `staleFence`, or `conflict` when the attempt is still at work. Aborting `signal` with a reason says that the caller wants
   * it no more; a lost connection, which has none, leaves the gate running until it is asked for again.
   */
  async evidence(request: QualityGate, signal: AbortSignal): Promise<GateEvidence> {
    const attempt = knownAttempt(this.attempts, request.attemptId);
    if (attempt.assign.fence.revision !== request.fence.revision)
      throw new ProtocolError(
        'staleFence',
        `attempt ${attempt.id} has another fence here`,
        attempt.assign.fence,
      );
    if (attempt.state.kind !== 'gated' && attempt.state.kind !== 'reporting')
      throw new ProtocolError('conflict', `attempt ${attempt.id} is ${attempt.state.kind}: no gate can run`);
    const own = this.gates.get(attempt) ?? {runs: new Map(), last: Promise.resolve()};
    this.gates.set(attempt, own);
    const key = JSON.stringify([request.gate.name, request.gate.command]);
    const run = own.runs.get(key) ?? this.begin(attempt, own, request, key);
    const asker = {};
    run.askers.add(asker);
    const onAbort = (): void => {
      run.askers.delete(asker);
      if (run.askers.size > 0 || !isCancelled(signal)) return;
      own.runs.delete(key);
      run.unwanted.abort();
    };
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, {once: true});
    try {
      return await run.evidence;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private begin(attempt: Attempt, own: AttemptGates, request: QualityGate, key: string): GateRun {
    const unwanted = new AbortController();
    const stop = AbortSignal.any([attempt.gateStop, unwanted.signal]);
    const evidence = own.last.then(() => this.run(attempt, request, stop));
    const run: GateRun = {evidence, askers: new Set(), unwanted};
    own.runs.set(key, run);
    own.last = evidence.then(({error}) => {
      // A gate that could not be run has no verdict to keep.
      if (error !== undefined && own.runs.get(key) === run) own.runs.delete(key);
    });
    attempt.gateBegins(own.last);
    return run;
  }

  /** Never rejects. */
  private async run(attempt: Attempt, {gate, env}: QualityGate, stop: AbortSignal): Promise<GateEvidence> {
    const {clock, counters, supervisor, settings} = this.services;
    const startedAt = clock.now();
    const output: string[] = [];
    let characters = 0;
    const tooLong = new AbortController();
    const timer = clock.schedule(gate.timeoutMs, () => tooLong.abort());
    try {
      stop.throwIfAborted();
      counters.gates++;
      attempt.note('info', `gate ${gate.name}: ${gate.command}`);
      if (!attempt.place) throw new ProtocolError('notFound', 'the worktree is gone');
      const result = await runAttemptCommand({
        supervisor,
        clock,
        attemptId: attempt.id,
        command: gate.command,
        cwd: attempt.place.workspace.path,
        env: {...attempt.place.env, ...env},
        mask: attempt.mask,
        onOutput: event => {
          const text = textOf(event);
          characters += text.length;
          if (characters <= KEPT_CHARACTERS) output.push(text);
        },
        signal: AbortSignal.any([stop, tooLong.signal]),
        graceMs: settings.cancelGraceMs,
      });
      const durationMs = clock.now() - startedAt;
      const text = output.join('');
      const timedOut = tooLong.signal.aborted
        ? `\n[ended: it took longer than ${Math.round(gate.timeoutMs / 1000)} s]`
        : '';
      if (stop.aborted) return this.unable(gate.name, durationMs, STOPPED);
      return await this.judge(attempt, gate.name, {result, text, timedOut, durationMs});
    } catch (error) {
      const durationMs = clock.now() - startedAt;
      return this.unable(gate.name, durationMs, stop.aborted ? STOPPED : describeError(error));
    } finally {
      timer.dispose();
    }
  }

  private async judge(
    attempt: Attempt,
    gate: string,
    run: {result: CommandResult; text: string; timedOut: string; durationMs: number},
  ): Promise<GateEvidence> {
    const {exit} = run.result;
    const {durationMs} = run;
    if (exit.kind === 'notStarted') return this.unable(gate, durationMs, exit.error.message);
    const exitCode = exit.kind === 'exited' && run.timedOut === '' ? exit.code : null;
    const output = lastBytes(run.text + run.timedOut, EVIDENCE_BYTES);
    const whole = Buffer.from(run.text);
    const artifact = whole.length > EVIDENCE_BYTES ? await this.upload(attempt, whole) : undefined;
    const passed = exitCode === 0;
    attempt.note(passed ? 'info' : 'warn', `gate ${gate} ${passed ? 'passed' : 'failed'}`);
    return {gate, passed, exitCode, output, artifact, durationMs};
  }

  /** The verdict stands without the whole output. */
  private async upload(attempt: Attempt, content: Buffer): Promise<string | undefined> {
    try {
      return await this.services.upload(content, attempt.givenUp);
    } catch (error) {
      this.services.logger.warn('the output of a gate was not uploaded', {attemptId: attempt.id, error});
      return undefined;
    }
  }

  private unable(gate: string, durationMs: number, error: string): GateEvidence {
    return {gate, passed: false, exitCode: null, output: '', durationMs, error: clipText(error, 2048)};
  }
}

/** MCP's cancellation brings a reason; the end of a connection has none of the caller's. */
function isCancelled(signal: AbortSignal): boolean {
  return typeof signal.reason === 'string';
}

function textOf(event: Parameters<NonNullable<AttemptCommand['onOutput']>>[0]): string {
  switch (event.kind) {
    case 'output':
    case 'notice':
      return event.text;
    case 'gap':
      return '\n[output was left out]\n';
  }
}

/** No cut through a character. */
function lastBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  let start = bytes.length - limit;
  while (((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start).toString('utf8');
}

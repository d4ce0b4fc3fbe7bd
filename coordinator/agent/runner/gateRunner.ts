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

interface AttemptGates {
  /** By name. */
  readonly runs: Map<string, Promise<GateEvidence>>;
  /** Gates of one attempt run one after the other: they share its worktree. */
  last: Promise<unknown>;
}

export class GateRunner {
  private readonly gates = new WeakMap<Attempt, AttemptGates>();

  constructor(
    private readonly attempts: Attempts,
    private readonly services: RunnerServices,
  ) {}

  /** Throws `notFound`, `staleFence`, or `conflict` when the attempt is still at work. */
  async evidence(request: QualityGate): Promise<GateEvidence> {
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
    const {name} = request.gate;
    const known = own.runs.get(name);
    if (known) return known;
    const run = own.last.then(() => this.run(attempt, request));
    own.runs.set(name, run);
    own.last = run;
    const evidence = await run;
    // A gate that could not be run has no verdict to keep.
    if (evidence.error !== undefined) own.runs.delete(name);
    return evidence;
  }

  /** Never rejects. */
  private async run(attempt: Attempt, {gate, env}: QualityGate): Promise<GateEvidence> {
    const {clock, counters, supervisor, settings} = this.services;
    const startedAt = clock.now();
    const output: string[] = [];
    let characters = 0;
    const tooLong = new AbortController();
    const timer = clock.schedule(gate.timeoutMs, () => tooLong.abort());
    counters.gates++;
    attempt.note('info', `gate ${gate.name}: ${gate.command}`);
    try {
      if (!attempt.place) throw new ProtocolError('notFound', 'the worktree is gone');
      const result = await runAttemptCommand({
        supervisor,
        clock,
        attemptId: attempt.id,
        command: gate.command,
        cwd: attempt.place.workspace.path,
        env: {...attempt.place.env, ...env},
        onOutput: event => {
          const text = textOf(event);
          characters += text.length;
          if (characters <= KEPT_CHARACTERS) output.push(text);
        },
        signal: AbortSignal.any([attempt.work.signal, tooLong.signal]),
        graceMs: settings.cancelGraceMs,
      });
      const durationMs = clock.now() - startedAt;
      const text = attempt.mask.text(output.join(''));
      const timedOut = tooLong.signal.aborted
        ? `\n[ended: it took longer than ${Math.round(gate.timeoutMs / 1000)} s]`
        : '';
      return await this.judge(attempt, gate.name, {result, text, timedOut, durationMs});
    } catch (error) {
      const durationMs = clock.now() - startedAt;
      return this.unable(gate.name, durationMs, describeError(error));
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
    if (attempt.work.signal.aborted)
      return this.unable(gate, durationMs, 'the attempt was stopped meanwhile');
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

/** Runs quality gates in the worktrees of finished attempts and keeps their evidence: a request sent twice gets one run. */
import type {QualityGate} from '../../../protocol/commands/attempt.ts';
import type {Result} from '../../../protocol/commands/table.ts';
import {ProtocolError} from '../../../protocol/errors.ts';
import type {GateEvidence, QualityGateConfig} from '../../../protocol/gate.ts';
import {describeError} from '../../../runtime/errors.ts';
import type {Attempt} from '../attempt.ts';
import {type Attempts, knownAttempt} from '../attempts.ts';
import {clipText} from '../clipEvent.ts';
import type {RunnerServices} from '../runnerServices.ts';
import {commandFinding, runGateCommand} from './gateCommand.ts';
import {gatedChange} from './gatedChange.ts';
import type {GateFinding} from './gateFinding.ts';
import {checkSchema} from './schemaGate.ts';
import {checkThreshold} from './thresholdGate.ts';

type Answer = Result<'mcpx.coordinate.quality.gate'>;

const EVIDENCE_BYTES = 8192;
const STOPPED = 'it was stopped before it had ended';

interface GateRun {
  readonly answer: Promise<Answer>;
  /** Who waits for it; when the last one wants it no more it is ended. */
  readonly askers: Set<object>;
  readonly unwanted: AbortController;
}

interface AttemptGates {
  /** By what they ask: a plan may name two alike. */
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
  async answer(request: QualityGate, signal: AbortSignal): Promise<Answer> {
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
    const key = JSON.stringify(request.gate);
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
      return await run.answer;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private begin(attempt: Attempt, own: AttemptGates, request: QualityGate, key: string): GateRun {
    const unwanted = new AbortController();
    const stop = AbortSignal.any([attempt.gateStop, unwanted.signal]);
    const answer = own.last.then(() => this.run(attempt, request, stop));
    const run: GateRun = {answer, askers: new Set(), unwanted};
    own.runs.set(key, run);
    own.last = answer.then(({evidence}) => {
      // A gate that could not be run has no verdict to keep.
      if (evidence.error !== undefined && own.runs.get(key) === run) own.runs.delete(key);
    });
    attempt.gateBegins(own.last);
    return run;
  }

  /** Never rejects. */
  private async run(attempt: Attempt, request: QualityGate, stop: AbortSignal): Promise<Answer> {
    const {clock, counters} = this.services;
    const {gate} = request;
    const startedAt = clock.now();
    try {
      stop.throwIfAborted();
      if (gate.type === 'review' || gate.type === 'approval') return await this.change(attempt, gate, stop);
      counters.gates++;
      attempt.transcript.note('info', `gate ${gate.name}: ${textOf(gate)}`);
      const found = await this.look(attempt, gate, request.env, stop);
      const durationMs = clock.now() - startedAt;
      if (stop.aborted) return {evidence: unable(gate, durationMs, STOPPED)};
      return {evidence: await this.judge(attempt, gate, found, durationMs)};
    } catch (error) {
      const durationMs = clock.now() - startedAt;
      return {evidence: unable(gate, durationMs, stop.aborted ? STOPPED : describeError(error))};
    }
  }

  private async look(
    attempt: Attempt,
    gate: OwnGate,
    env: Readonly<Record<string, string>>,
    stop: AbortSignal,
  ): Promise<GateFinding> {
    if (!attempt.place) throw new ProtocolError('notFound', 'the worktree is gone');
    const {path} = attempt.place.workspace;
    if (gate.type === 'schema') return checkSchema(gate, path, attempt.left?.value);
    const {command, timeoutMs} = gate;
    const run =
      command === undefined
        ? undefined
        : await runGateCommand(attempt, {command, env, timeoutMs}, this.services, stop);
    if (gate.type === 'threshold') return checkThreshold(gate, path, run);
    return run ? commandFinding(run, timeoutMs) : {kind: 'unable', error: 'it has no command'};
  }

  /** Others judge: they are told what there is to be judged. */
  private async change(attempt: Attempt, gate: QualityGateConfig, stop: AbortSignal): Promise<Answer> {
    if (!attempt.place) throw new ProtocolError('notFound', 'the worktree is gone');
    const change = await gatedChange(attempt.place.workspace, attempt.left, stop);
    const evidence = {
      gate: gate.name,
      type: gate.type,
      passed: false,
      exitCode: null,
      output: '',
      durationMs: 0,
    };
    return {evidence, change};
  }

  private async judge(
    attempt: Attempt,
    gate: OwnGate,
    found: GateFinding,
    durationMs: number,
  ): Promise<GateEvidence> {
    const {name} = gate;
    const text = found.output ?? '';
    const output = lastBytes(text, EVIDENCE_BYTES);
    if (found.kind === 'unable') return {...unable(gate, durationMs, found.error), output};
    const whole = Buffer.from(text);
    const artifact = whole.length > EVIDENCE_BYTES ? await this.upload(attempt, whole) : undefined;
    const {passed, exitCode, measured} = found;
    attempt.transcript.note(passed ? 'info' : 'warn', `gate ${name} ${passed ? 'passed' : 'failed'}`);
    return {gate: name, type: gate.type, passed, exitCode, output, artifact, durationMs, measured};
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
}

/** What the agent itself looks at. */
type OwnGate = Exclude<QualityGateConfig, {type: 'review' | 'approval'}>;

function unable({name, type}: QualityGateConfig, durationMs: number, error: string): GateEvidence {
  return {
    gate: name,
    type,
    passed: false,
    exitCode: null,
    output: '',
    durationMs,
    error: clipText(error, 2048),
  };
}

/** MCP's cancellation brings a reason; the end of a connection has none of the caller's. */
function isCancelled(signal: AbortSignal): boolean {
  return typeof signal.reason === 'string';
}

function textOf(gate: OwnGate): string {
  if (gate.type === 'schema') return `${gate.file ?? 'the result'} against a schema`;
  if (gate.type === 'command') return gate.command;
  return gate.command ?? gate.report?.file ?? gate.type;
}

/** No cut through a character. */
function lastBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  let start = bytes.length - limit;
  while (((bytes[start] ?? 0) & 0xc0) === 0x80) start++;
  return bytes.subarray(start).toString('utf8');
}

/** Runs the gates of an attempt, in order, on the agent that holds its worktree, until one fails. What the verdict means is decided elsewhere. */
import {isProtocolError} from '../protocol/errors.ts';
import type {GateEvidence, QualityGateConfig} from '../protocol/gate.ts';
import {delay} from '../runtime/clock.ts';
import {describeError} from '../runtime/errors.ts';
import {isPassing} from './dispatcher.ts';
import {waivedEvidence} from './evidence.ts';
import {type AttemptNode, agentOf, type GateVerdict, type Verification} from './fleet.ts';
import type {Term} from './term.ts';

const MESSAGE_OUTPUT_CHARS = 2000;

export class Verifier {
  constructor(
    private readonly term: Term,
    private readonly decided: (attempt: AttemptNode) => void,
  ) {}

  /** Does nothing when the gates run already or have run. A new lead runs them again from the first. */
  begin(attempt: AttemptNode): void {
    if (attempt.verification) return;
    const stop = new AbortController();
    const verification: Verification = {verdict: undefined, evidence: [], stop, isGone: false};
    attempt.verification = verification;
    void this.run(attempt, verification)
      .then(verdict => {
        if (!verdict || stop.signal.aborted) return;
        if (verdict === 'gone') verification.isGone = true;
        else verification.verdict = verdict;
        this.decided(attempt);
      })
      .catch((error: unknown) => this.term.faulted('a verification', error, attempt.task.session));
  }

  /** Ends the gate that runs and begins anew; gates that have passed in this worktree answer at once. */
  restart(attempt: AttemptNode): void {
    attempt.verification?.stop.abort('a person asked for it');
    attempt.verification = undefined;
    this.begin(attempt);
  }

  private async run(
    attempt: AttemptNode,
    {evidence, stop}: Verification,
  ): Promise<GateVerdict | 'gone' | undefined> {
    for (const gate of attempt.task.spec.gates) {
      const waived = attempt.task.record.waived?.find(one => one.gate === gate.name);
      if (waived) {
        evidence.push(waivedEvidence(gate.name, waived.waiver));
        continue;
      }
      const found = await this.runGate(attempt, gate, stop.signal);
      if (!found || found === 'gone') return found;
      evidence.push(found);
      if (!found.passed)
        return {kind: 'failed', evidence, message: describeFailure(gate, found), onFailure: gate.onFailure};
    }
    return {kind: 'passed', evidence};
  }

  /** Undefined when the attempt or the term ended first; `gone` when the agent's new process knows nothing of the attempt. */
  private async runGate(
    attempt: AttemptNode,
    gate: QualityGateConfig,
    stop: AbortSignal,
  ): Promise<GateEvidence | 'gone' | undefined> {
    const {channel, settings, clock, signal} = this.term;
    const talk = AbortSignal.any([attempt.talk.signal, stop]);
    const timeoutMs = gate.timeoutMs + settings.gateSlackMs;
    const {id, agentId} = attempt.record;
    while (!talk.aborted && !signal.aborted) {
      const began = clock.now();
      try {
        const {evidence} = await channel.send(
          agentId,
          'mcpx.coordinate.quality.gate',
          {
            attemptId: id,
            fence: {store: this.term.incarnation, attempt: id, revision: attempt.fence},
            gate,
            env: attempt.task.spec.env,
          },
          {timeoutMs, signal: talk},
        );
        return evidence;
      } catch (error) {
        if (talk.aborted || signal.aborted) return undefined;
        if (isProtocolError(error, 'notFound') && agentOf(attempt) !== 'online') return 'gone';
        // The agent ends a gate that takes too long. Silence says nothing of the gate, and whether the agent is lost is not for a gate to say.
        if (!isPassing(error)) return unrunnable(gate, describeError(error), clock.now() - began);
        await delay(clock, settings.resendMs, talk).catch(() => undefined);
      }
    }
    return undefined;
  }
}

function unrunnable(gate: QualityGateConfig, error: string, durationMs: number): GateEvidence {
  return {
    gate: gate.name,
    passed: false,
    exitCode: null,
    output: '',
    durationMs: Math.max(0, durationMs),
    error: error.slice(0, 2048),
  };
}

function describeFailure(gate: QualityGateConfig, evidence: GateEvidence): string {
  const how =
    evidence.error !== undefined
      ? `could not be run: ${evidence.error}`
      : `failed${evidence.exitCode === null ? '' : ` with exit code ${evidence.exitCode}`}`;
  const output = evidence.output.slice(-MESSAGE_OUTPUT_CHARS).trim();
  return `gate "${gate.name}" ${how}${output === '' ? '' : `\n${output}`}`;
}

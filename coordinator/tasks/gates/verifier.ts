/**
 * Runs the gates of an attempt, in order, until one fails: on the agent that holds its worktree, or by a reviewer or a person. What the verdict
 * means is decided elsewhere.
 */

import type {Result} from '../../protocol/commands/table.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {GatedChange, GateEvidence, QualityGateConfig} from '../../protocol/gate.ts';
import {aborted} from '../../runtime/abort.ts';
import {delay} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import {waivedEvidence} from '../deciding/evidence.ts';
import {agentOf} from '../fleet/agentPresence.ts';
import type {AttemptNode, GateVerdict, Verification} from '../fleet/fleet.ts';
import {isPassing} from '../steps/dispatcher.ts';
import type {Term} from '../term/term.ts';
import type {GateApprovals} from './gateApprovals.ts';
import type {Reviews} from './reviews.ts';

const MESSAGE_OUTPUT_CHARS = 2000;
/** Looking at what was changed. */
const CHANGE_MS = 600_000;

type Answer = Result<'mcpx.coordinate.quality.gate'>;
type JudgedElsewhere = Extract<QualityGateConfig, {type: 'review' | 'approval'}>;

export interface Judges {
  readonly reviews: Reviews;
  readonly approvals: GateApprovals;
}

export class Verifier {
  constructor(
    private readonly term: Term,
    private readonly judges: Judges,
    private readonly decided: (attempt: AttemptNode) => void,
  ) {}

  /** Does nothing when the gates run already or have run. A new lead runs them again from the first. */
  begin(attempt: AttemptNode): void {
    if (attempt.verification) return;
    const stop = new AbortController();
    const verification: Verification = {
      verdict: undefined,
      evidence: [],
      stop,
      isGone: false,
      standsBy: false,
    };
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
    verification: Verification,
  ): Promise<GateVerdict | 'gone' | undefined> {
    const {evidence, stop} = verification;
    for (const gate of attempt.task.spec.gates) {
      const waived = attempt.task.record.waived?.find(one => one.gate === gate.name);
      if (waived) {
        evidence.push(waivedEvidence(gate.name, waived.waiver));
        continue;
      }
      const found =
        gate.type === 'review' || gate.type === 'approval'
          ? await this.judgedElsewhere(attempt, gate, verification)
          : await this.evidence(attempt, gate, stop.signal);
      if (!found || found === 'gone') return found;
      evidence.push(found);
      if (!found.passed)
        return {kind: 'failed', evidence, message: describeFailure(gate, found), onFailure: gate.onFailure};
    }
    return {kind: 'passed', evidence};
  }

  private async evidence(
    attempt: AttemptNode,
    gate: QualityGateConfig,
    stop: AbortSignal,
  ): Promise<GateEvidence | 'gone' | undefined> {
    const answer = await this.runGate(attempt, gate, stop);
    return !answer || answer === 'gone' ? answer : answer.evidence;
  }

  /** Its agent says what was changed, and is not needed until somebody has judged that. */
  private async judgedElsewhere(
    attempt: AttemptNode,
    gate: JudgedElsewhere,
    verification: Verification,
  ): Promise<GateEvidence | 'gone' | undefined> {
    const {signal} = this.term;
    const stop = AbortSignal.any([attempt.talk.signal, verification.stop.signal]);
    const isAsked =
      gate.type === 'review'
        ? this.judges.reviews.isAsked(attempt, gate)
        : await this.judges.approvals.isAsked(attempt, gate);
    let change: GatedChange | undefined;
    if (!isAsked) {
      const answer = await this.runGate(attempt, gate, verification.stop.signal);
      if (!answer || answer === 'gone') return answer;
      if (!answer.change) return answer.evidence;
      change = answer.change;
    }
    standBy(attempt, verification, true);
    this.decided(attempt);
    try {
      const judged =
        gate.type === 'review'
          ? this.judges.reviews.judged(attempt, gate, change)
          : this.judges.approvals.judged(attempt, gate, change, stop);
      return await Promise.race([judged, aborted(stop)]);
    } catch (error) {
      if (stop.aborted || signal.aborted) return undefined;
      throw error;
    } finally {
      standBy(attempt, verification, false);
    }
  }

  /** Undefined when the attempt or the term ended first; `gone` when the agent's new process knows nothing of the attempt. */
  private async runGate(
    attempt: AttemptNode,
    gate: QualityGateConfig,
    stop: AbortSignal,
  ): Promise<Answer | 'gone' | undefined> {
    const {channel, settings, clock, signal} = this.term;
    const talk = AbortSignal.any([attempt.talk.signal, stop]);
    const isElsewhere = gate.type === 'review' || gate.type === 'approval';
    const timeoutMs = (isElsewhere ? CHANGE_MS : gate.timeoutMs) + settings.gateSlackMs;
    const {id, agentId} = attempt.record;
    while (!talk.aborted && !signal.aborted) {
      const began = clock.now();
      try {
        return await channel.send(
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
      } catch (error) {
        if (talk.aborted || signal.aborted) return undefined;
        if (isProtocolError(error, 'notFound') && agentOf(attempt) !== 'online') return 'gone';
        // The agent ends a gate that takes too long. Silence says nothing of the gate, and whether the agent is lost is not for a gate to say.
        if (!isPassing(error)) return {evidence: unrunnable(gate, describeError(error), clock.now() - began)};
        await delay(clock, settings.resendMs, talk).catch(() => undefined);
      }
    }
    return undefined;
  }
}

/** Its agent has a slot more, or one less. */
function standBy(attempt: AttemptNode, verification: Verification, standsBy: boolean): void {
  verification.standsBy = standsBy;
  const {attempts} = attempt.agent;
  // Put in again, so that whoever watches the set counts anew.
  if (attempts.has(attempt)) attempts.add(attempt);
}

function unrunnable(gate: QualityGateConfig, error: string, durationMs: number): GateEvidence {
  return {
    gate: gate.name,
    type: gate.type,
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

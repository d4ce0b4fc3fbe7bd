/**
 * A newly joined agent does a short task first, where the coordinator's settings give money for it, so that placement knows how fast it is. The
 * task is a session like any other: what it spends is seen there, counts for the day, and cannot be more than the setting says.
 */
import {createHash} from 'node:crypto';
import type {SessionStart} from '../../protocol/commands/session.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {AgentRecord} from '../../protocol/model/agent.ts';
import type {Plan, TaskWork} from '../../protocol/plan/plan.ts';
import type {Principal} from '../../security/principal.ts';
import {type AgentNode, isOnline} from '../fleet/fleet.ts';
import type {Modes} from '../modes/modes.ts';
import type {SessionStarts} from '../sessions/sessionStarts.ts';
import type {Term} from '../term/term.ts';

/** What is not done by then is of no more use. */
const PATIENCE_MS = 600_000;
const TIMEOUT_MS = 120_000;
/** Before whatever waits: it is short, and what waits is placed the better for it. */
const PRIORITY = 1000;
const PROMPT =
  'Without any tool, write a TypeScript function that tells whether a text is a palindrome, with three examples of its use. Answer with the code alone.';
const COMMAND = 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done';
const EXPECTED_MS = {prompt: 15_000, run: 1000};

export class Calibrations {
  /** Incarnations that were looked at in this term. */
  private readonly seen = new Set<string>();

  constructor(
    private readonly term: Term,
    private readonly starts: Pick<SessionStarts, 'start'>,
    private readonly modes: Pick<Modes, 'demandFor'>,
  ) {}

  agentChanged(agent: AgentNode): void {
    const {record, tenant} = agent;
    const usd = this.term.settings.calibrationUsd;
    if (usd <= 0 || !record || !isOnline(agent) || !isForEverybody(record)) return;
    const name = `${tenant}/${agent.id}/${record.incarnation}`;
    if (this.seen.has(name)) return;
    if (this.modes.demandFor(tenant, record.mode).leftOutBy !== undefined) return;
    this.seen.add(name);
    if (this.isKnown(agent)) return;
    const work = workFor(record);
    if (work.kind === 'prompt' && this.term.budgets.isDaySpent(tenant)) return;
    const principal: Principal = {id: this.term.principal, tenant, role: 'coordinator'};
    const deadline = this.term.clock.wallNow() + PATIENCE_MS;
    this.starts
      .start(startOf(agent.id, work, usd, deadline), principal, {calibrates: agent.id})
      .catch((error: unknown) => {
        if (this.term.signal.aborted) return;
        // It was calibrated before, or more is open than may be: it is learned from its work then.
        const level = isProtocolError(error, 'conflict') ? 'debug' : 'info';
        this.term.logger[level]('an agent is not calibrated', {agent: agent.id, error});
      });
  }

  private isKnown({tenant, id}: AgentNode): boolean {
    const {model} = this.term.scheduler.learned(tenant);
    return (model.agents.get(id)?.effect.n ?? 0) > 0;
  }
}

/** Nobody else's, no rehearsal, and fit for work. */
function isForEverybody({instance: {metadata, status}, draining, quarantine}: AgentRecord): boolean {
  return (
    !draining &&
    !quarantine &&
    status !== 'unreachable' &&
    !metadata.rehearsal &&
    metadata.reservedFor === undefined
  );
}

/** A prompt where it takes any; else a command, which costs nothing. */
function workFor({instance}: AgentRecord): TaskWork {
  if (instance.metadata.claude.kind !== 'ready') return {kind: 'run', command: COMMAND};
  const permissions = {mode: 'dontAsk' as const, allow: [], deny: []};
  return {kind: 'prompt', prompt: PROMPT, permissions, maxTurns: 1};
}

function startOf(agentId: string, work: TaskWork, budgetUsd: number, deadline: number): SessionStart {
  const kind = work.kind === 'prompt' ? 'prompt' : 'run';
  const plan: Plan = {
    name: `calibration of ${agentId}`,
    workspace: {kind: 'none'},
    mode: 'hybrid',
    strategy: 'capability-weighted',
    budgetUsd,
    merge: {onConflict: 'fail'},
    gates: [],
    tasks: [
      {
        id: 'calibrate',
        work,
        dependsOn: [],
        requires: {},
        affinity: [{kind: 'agent', with: [agentId], strength: 'require'}],
        gates: [],
        retry: {max: 0, backoffMs: 0, maxBackoffMs: 0},
        timeoutMs: TIMEOUT_MS,
        deadline,
        budgetUsd,
        priority: PRIORITY,
        class: `calibration-${kind}`,
        estimateMs: EXPECTED_MS[kind],
        onLost: 'fail',
        maxLosses: 0,
        checkpoint: 'off',
        env: {},
        secrets: [],
        keepConflicts: false,
      },
    ],
  };
  const hash = createHash('sha256').update(agentId).digest('hex').slice(0, 12);
  return {sessionId: `calibration-${hash}`, plan, keep: false, rehearsal: false};
}

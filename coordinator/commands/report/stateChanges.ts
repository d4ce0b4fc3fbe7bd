/** What changed between two reports of a session, one line each. */

import {REHEARSAL_NOTICE} from '../../agent/rehearsal/script.ts';
import {cachedText} from '../../client/report/cachedText.ts';
import {continuedText} from '../../client/report/continuedText.ts';
import {
  elapsedMs,
  makespanMs,
  type SessionReport,
  type TaskReport,
} from '../../client/report/sessionReport.ts';
import {formatDuration} from '../../protocol/plan/duration.ts';
import {approvalCommand, approvalText, failedGates, failureText, headline} from './taskText.ts';
import {printable} from './terminalText.ts';

export class StateChanges {
  /** By task id: what was said of it last. */
  private readonly said = new Map<string, string>();
  private readonly approvals = new Set<string>();
  private refusals = 0;
  private sessionState: string | undefined;

  next(report: SessionReport, wallNow: number): string[] {
    const lines: string[] = [];
    const {session} = report;
    if (this.sessionState === undefined) {
      lines.push(`session ${session.id} "${printable(session.name)}": ${session.counts.total} tasks`);
      if (session.rehearsal) lines.push(REHEARSAL_NOTICE);
      this.sessionState = 'running';
    }
    for (const task of report.tasks) {
      const text = taskChange(task, wallNow);
      if (text === undefined || this.said.get(task.record.id) === text.key) continue;
      this.said.set(task.record.id, text.key);
      lines.push(`${task.record.id}: ${text.line}`);
    }
    for (const approval of report.approvals) {
      if (this.approvals.has(approval.id)) continue;
      this.approvals.add(approval.id);
      lines.push(`${approval.taskId}: ${approvalText(approval)} (${approvalCommand(approval)})`);
    }
    for (const refusal of report.refusals.slice(this.refusals))
      lines.push(
        `${refusal.attemptId}: its late ${refusal.effect} was refused: ${printable(refusal.detail)}`,
      );
    this.refusals = Math.max(this.refusals, report.refusals.length);
    if (this.sessionState !== session.state) {
      this.sessionState = session.state;
      const failure = session.failure === undefined ? '' : `: ${headline(session.failure)}`;
      lines.push(
        `session ${session.id} ${session.state} after ${formatDuration(makespanMs(report, wallNow))}${failure}`,
      );
    }
    return lines;
  }
}

/** `key` tells one change from the next: it has no times in it. */
function taskChange(
  task: TaskReport,
  wallNow: number,
): {readonly key: string; readonly line: string} | undefined {
  const {record, latest} = task;
  const same = (line: string): {key: string; line: string} => ({key: `${record.attempts} ${line}`, line});
  switch (record.state) {
    case 'pending':
      return undefined;
    case 'ready': {
      const again =
        latest?.outcome === undefined ? '' : `attempt ${latest.number} ${latest.outcome}${why(task)}`;
      // A backoff's message is that of the attempt that failed.
      const wait = record.waitingFor?.kind === 'backoff' ? undefined : record.waitingFor;
      const waits = wait === undefined ? '' : `waits: ${headline(wait.message)}`;
      const line = [again, waits].filter(text => text !== '').join('; ');
      return line === '' ? undefined : same(line);
    }
    case 'assigned':
    case 'running':
    case 'verifying': {
      if (!latest) return undefined;
      const silent = latest.unreachableSince === undefined ? '' : ', which does not answer';
      const number = latest.number > 1 ? ` (attempt ${latest.number})` : '';
      const backup = backupOf(task);
      const beside = backup ? `, and a backup on ${backup.agentId}` : '';
      const {continued} = latest;
      const from = continued ? `, ${continuedText(continued)}` : '';
      return same(`${record.state} on ${latest.agentId}${silent}${number}${from}${beside}`);
    }
    case 'failed':
      return same(`failed${record.failure ? `: ${failureText(record.failure)}` : ''}`);
    default: {
      if (record.cached) return same(`${record.state} ${cachedText(record.cached)}`);
      const elapsed = elapsedMs(task, wallNow);
      const after = elapsed === undefined ? '' : ` in ${formatDuration(elapsed)}`;
      return {key: `${record.attempts} ${record.state}`, line: `${record.state}${after}`};
    }
  }
}

/** The attempt that runs beside the one that stands for the task. */
function backupOf({record, attempts}: TaskReport): TaskReport['latest'] {
  return attempts.find(({id}) => id === record.backupAttempt);
}

function why({record, latest}: TaskReport): string {
  const gates = failedGates({...record, gates: latest?.gates ?? record.gates});
  if (gates.length > 0) return `: ${gates.map(gate => `gate ${gate.gate} did not pass`).join(', ')}`;
  return latest?.failure ? `: ${failureText(latest.failure)}` : '';
}

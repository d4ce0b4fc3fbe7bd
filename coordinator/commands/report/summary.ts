/** The end of a session for people: what became of every task, what was refused, and where the result is. Pure. */

import {REHEARSAL_NOTICE} from '../../agent/rehearsal/script.ts';
import {continuedText} from '../../client/report/continuedText.ts';
import {speculationText} from '../../client/report/explainBackup.ts';
import {gateVerdict} from '../../client/report/gateQuestion.ts';
import {
  makespanMs,
  type SessionReport,
  type TaskReport,
  taskDurationMs,
} from '../../client/report/sessionReport.ts';
import {formatDuration} from '../../protocol/plan/duration.ts';
import {failedGates, failureText, headline, stateIcon} from './taskText.ts';
import {type Colors, cut, formatDollars, padded, printable, textWidth} from './terminalText.ts';

export interface SummaryOptions {
  readonly wallNow: number;
  readonly columns: number;
  readonly colors: Colors;
}

const MAX_EVIDENCE_LINES = 12;
const HEADINGS = ['task', 'status', 'tries', 'agent', 'time', 'cost'] as const;
const RIGHT: ReadonlySet<string> = new Set(['tries', 'time', 'cost']);

/** Lines joined by line feeds, ending with one. */
export function summary(report: SessionReport, options: SummaryOptions): string {
  const {session} = report;
  const lines = [
    ...table(report, options),
    '',
    ...report.tasks
      .filter(task => task.record.state === 'failed')
      .flatMap(task => failureLines(task, options)),
    ...continuedLines(report),
    ...personLines(report, options),
    ...refusalLines(report, options),
    verdict(report, options),
    ...resultLines(report),
  ];
  if (session.rehearsal) lines.push(options.colors.magenta(REHEARSAL_NOTICE));
  return `${lines.join('\n')}\n`;
}

function table({tasks}: SessionReport, {columns, colors}: SummaryOptions): string[] {
  const rows = tasks.map(task => ({task, cells: cells(task)}));
  const widths = HEADINGS.map((heading, column) =>
    Math.max(heading.length, ...rows.map(row => textWidth(row.cells[column] ?? ''))),
  );
  // What is too wide is taken from the ids, then from the agents.
  for (const column of [0, 3]) {
    const excess = 2 + widths.reduce((sum, width) => sum + width + 2, -2) - columns;
    widths[column] = Math.max(8, (widths[column] ?? 0) - Math.max(0, excess));
  }
  const line = (texts: readonly string[]): string =>
    HEADINGS.map((heading, column) =>
      padded(texts[column] ?? '', widths[column] ?? 0, RIGHT.has(heading) ? 'right' : 'left'),
    )
      .join('  ')
      .trimEnd();
  return [
    colors.dim(`  ${line(HEADINGS)}`),
    ...rows.map(row => `${stateIcon(row.task.record.state, colors)} ${line(row.cells)}`),
  ];
}

function cells(task: TaskReport): string[] {
  const {record, attempts} = task;
  const duration = taskDurationMs(task);
  const agents = record.cached ? 'cached' : [...new Set(attempts.map(attempt => attempt.agentId))].join(', ');
  return [
    record.id,
    record.state,
    String(record.attempts),
    agents,
    duration === undefined ? '' : formatDuration(duration),
    record.usage.costUsd > 0 ? formatDollars(record.usage.costUsd) : '',
  ];
}

function failureLines({record, attempts}: TaskReport, {colors}: SummaryOptions): string[] {
  const lines = [
    `${colors.red(`${record.id} failed`)}: ${record.failure ? failureText(record.failure) : 'no reason was recorded'}`,
  ];
  for (const gate of failedGates(record)) {
    lines.push(`  gate ${printable(gate.gate)}: ${printable(gateVerdict(gate))}`, ...evidence(gate.output));
  }
  const conflict = record.failure?.conflict;
  if (conflict) {
    lines.push(
      `  both sides are kept: ${conflict.ours.taskId} ${conflict.ours.commit.slice(0, 12)}, ${conflict.theirs.taskId} ${conflict.theirs.commit.slice(0, 12)}`,
      ...conflict.paths.slice(0, MAX_EVIDENCE_LINES).map(path => `    ${printable(path)}`),
    );
  }
  if (attempts.length > 0) lines.push(`  more: mcpx sessions show ${record.sessionId}`);
  return [...lines, ''];
}

/** Attempts that did not begin anew. */
function continuedLines({tasks}: SessionReport): string[] {
  const lines = tasks.flatMap(({record: {id}, attempts}) =>
    attempts.flatMap(({number, continued}) =>
      continued ? [`${id}: attempt ${number} ${continuedText(continued)}`] : [],
    ),
  );
  return lines.length === 0 ? [] : [...lines, ''];
}

/** What people added to tasks and let pass. */
function personLines({tasks}: SessionReport, {colors}: SummaryOptions): string[] {
  const lines = tasks.flatMap(({record: {id, note, gates = []}}) => [
    ...(note ? [`${id}: note of ${printable(note.by)}: ${headline(note.text)}`] : []),
    ...gates.flatMap(({gate, waived}) =>
      waived
        ? [
            colors.yellow(
              `${id}: gate ${printable(gate)} was waived by ${printable(waived.by)}: ${headline(waived.reason)}`,
            ),
          ]
        : [],
    ),
  ]);
  return lines.length === 0 ? [] : [...lines, ''];
}

function evidence(output: string): string[] {
  const lines = output.trimEnd().split('\n');
  const shown = lines.slice(-MAX_EVIDENCE_LINES).map(line => `    ${printable(line)}`.trimEnd());
  return lines.length > shown.length
    ? [`    … ${lines.length - shown.length} lines before`, ...shown]
    : shown;
}

function refusalLines({refusals}: SessionReport, {columns, colors}: SummaryOptions): string[] {
  if (refusals.length === 0) return [];
  const lines = refusals.map(refusal =>
    cut(
      `  ${refusal.attemptId}: ${refusal.effect} at ${new Date(refusal.at).toISOString()}: ${printable(refusal.detail)}`,
      columns,
    ),
  );
  return [colors.yellow('Refused, since the attempt had been given up:'), ...lines, ''];
}

function verdict(report: SessionReport, {wallNow, colors}: SummaryOptions): string {
  const {session} = report;
  const {counts} = session;
  const paint =
    session.state === 'succeeded' ? colors.green : session.state === 'failed' ? colors.red : colors.yellow;
  const cost = `${formatDollars(session.spentUsd)}${session.rehearsal ? ' pretended' : ''}`;
  const speculation = session.speculation ? ` (${speculationText(session)})` : '';
  const facts = `${counts.succeeded} of ${counts.total} tasks, ${formatDuration(makespanMs(report, wallNow))}, ${cost}${speculation}`;
  const failure = session.failure === undefined ? '' : `\n${headline(session.failure)}`;
  const paused =
    session.state === 'paused' && session.pauseReason === 'budget'
      ? `\nIts budget is spent: running prompts were stopped, nothing is lost. To go on:\n  mcpx sessions budget ${session.id} USD && mcpx sessions resume ${session.id}`
      : '';
  return `${paint(`Session ${session.id} ${session.state}`)}: ${facts}${failure}${paused}`;
}

function resultLines({session}: SessionReport): string[] {
  if (!session.result) return [];
  const {branch, commit} = session.result;
  const lines = [
    `Result: branch ${branch}, commit ${commit.slice(0, 12)}`,
    `  look    git diff ${session.workspace?.commit.slice(0, 12) ?? 'HEAD'}..${branch}`,
  ];
  if (session.state === 'succeeded') lines.push(`  accept  mcpx sessions accept ${session.id}`);
  return lines;
}

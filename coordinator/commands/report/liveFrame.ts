/** One frame of the live view of a session on a terminal: a header, a line for each task that matters now, and what waits for people. Pure. */

import {REHEARSAL_NOTICE} from '../../agent/rehearsal/script.ts';
import {speculationText} from '../../client/report/explainBackup.ts';
import {
  elapsedMs,
  isActive,
  makespanMs,
  type SessionReport,
  type TaskReport,
} from '../../client/report/sessionReport.ts';
import {formatDuration} from '../../protocol/plan/duration.ts';
import {approvalCommand, approvalText, reason, stateIcon} from './taskText.ts';
import {type Colors, cut, formatDollars, padded, printable, textWidth} from './terminalText.ts';

export interface FrameOptions {
  readonly wallNow: number;
  readonly columns: number;
  /** Lines that the frame may take. */
  readonly lines: number;
  readonly colors: Colors;
}

const LEAST_LINES = 6;
const MAX_APPROVALS = 5;
const BAR_COLUMNS = 20;

export function liveFrame(report: SessionReport, options: FrameOptions): string[] {
  const {columns, colors} = options;
  const head = [header(report, options), progressLine(report, options)];
  if (report.session.rehearsal) head.push(colors.magenta(cut(REHEARSAL_NOTICE, columns)));
  const tail = approvalLines(report, options);
  const room = Math.max(LEAST_LINES, options.lines) - head.length - tail.length;
  return [...head, ...taskLines(report.tasks, Math.max(2, room), options), ...tail];
}

function header({session}: SessionReport, {columns, colors}: FrameOptions): string {
  const state = session.state === 'ending' ? endingText(session) : session.state;
  const name = cut(printable(session.name), Math.max(8, columns - session.id.length - state.length - 4));
  return `${colors.bold(name)}  ${colors.dim(session.id)}  ${state}`;
}

function progressLine(report: SessionReport, {wallNow, columns, colors}: FrameOptions): string {
  const {session} = report;
  const {succeeded, failed, running, total} = session.counts;
  const width = Math.min(BAR_COLUMNS, Math.max(4, Math.floor(columns / 4)));
  const filled = total === 0 ? 0 : Math.floor((succeeded / total) * width);
  const cost = session.rehearsal
    ? `${formatDollars(session.spentUsd)} pretended`
    : `${formatDollars(session.spentUsd)}${session.budgetUsd === undefined ? '' : ` of ${formatDollars(session.budgetUsd)}`}`;
  const facts = [
    `${succeeded}/${total} done`,
    ...(running > 0 ? [`${running} running`] : []),
    ...(failed > 0 ? [`${failed} failed`] : []),
    formatDuration(makespanMs(report, wallNow)),
    cost,
    ...(session.speculation ? [speculationText(session)] : []),
  ];
  const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
  return `${colors.green(bar)} ${cut(facts.join(' · '), columns - width - 1)}`;
}

/** Tasks in plan order. When they do not fit, finished ones go first, then those that wait; a line says how many. */
function taskLines(tasks: readonly TaskReport[], room: number, options: FrameOptions): string[] {
  const {columns, colors} = options;
  const chosen = chooseTasks(tasks, room);
  const shown = tasks.filter(task => chosen.has(task));
  const facts = alignedFacts(shown, options.wallNow);
  const idColumns = Math.min(24, Math.max(0, ...shown.map(task => textWidth(task.record.id))));
  const lines = shown.map((task, index) => taskLine(task, facts[index] ?? '', idColumns, options));
  if (shown.length === tasks.length) return lines;
  const counts = new Map<string, number>();
  for (const {record} of tasks.filter(task => !chosen.has(task)))
    counts.set(record.state, (counts.get(record.state) ?? 0) + 1);
  const text = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  return [...lines, colors.dim(cut(`… and ${text}`, columns))];
}

function chooseTasks(tasks: readonly TaskReport[], room: number): ReadonlySet<TaskReport> {
  if (tasks.length <= room) return new Set(tasks);
  const urgency = ({record}: TaskReport): number => {
    if (isActive(record.state)) return 0;
    if (record.state === 'failed') return 1;
    if (record.state === 'ready') return 2;
    return record.state === 'pending' ? 3 : 4;
  };
  const ended = ({record}: TaskReport): number => record.endedAt ?? 0;
  const byUrgency = [...tasks].sort((a, b) => urgency(a) - urgency(b) || ended(b) - ended(a));
  return new Set(byUrgency.slice(0, room - 1));
}

/** Try, agent, time and cost of each task, in columns; empty for those without an attempt. */
function alignedFacts(tasks: readonly TaskReport[], wallNow: number): string[] {
  const rows = tasks.map(task => {
    const {record, latest} = task;
    const elapsed = elapsedMs(task, wallNow);
    return [
      record.backupAttempt === undefined
        ? record.attempts > 1
          ? `try ${record.attempts}`
          : ''
        : 'backed up',
      record.cached ? 'cached' : latest ? cut(latest.agentId, 16) : '',
      elapsed === undefined ? '' : formatDuration(elapsed),
      record.usage.costUsd > 0 ? formatDollars(record.usage.costUsd) : '',
    ];
  });
  const widths = [0, 1, 2, 3].map(column => Math.max(0, ...rows.map(row => textWidth(row[column] ?? ''))));
  return rows.map(row => {
    if (row.every(text => text === '')) return '';
    const cells = row.map((text, column) =>
      padded(text, widths[column] ?? 0, column === 1 ? 'left' : 'right'),
    );
    return cells.filter((_, column) => widths[column] !== 0).join('  ');
  });
}

function taskLine(
  task: TaskReport,
  facts: string,
  idColumns: number,
  {columns, colors}: FrameOptions,
): string {
  const {record} = task;
  const note = reason(task);
  const room = Math.max(0, columns - 2 - idColumns - 2 - (facts === '' ? 0 : textWidth(facts) + 2));
  const middle = cut(note === '' ? printable(task.title ?? '') : note, room);
  const paint = record.state === 'failed' ? colors.red : note === '' ? String : colors.dim;
  const line = `${stateIcon(record.state, colors)} ${padded(record.id, idColumns)}  ${paint(middle)}`;
  return facts === '' ? line : `${line}${' '.repeat(room - textWidth(middle))}  ${colors.dim(facts)}`;
}

function approvalLines({approvals}: SessionReport, {columns, colors}: FrameOptions): string[] {
  const lines = approvals.slice(0, MAX_APPROVALS).flatMap(approval => {
    const question = cut(`? ${approval.taskId} ${approvalText(approval)}`, columns);
    return [colors.yellow(question), colors.dim(cut(`  ${approvalCommand(approval)}`, columns))];
  });
  const more = approvals.length - MAX_APPROVALS;
  if (more > 0) lines.push(colors.yellow(`? ${more} more wait for you: mcpx approvals list`));
  return lines;
}

function endingText({endMode, endingAs}: SessionReport['session']): string {
  return endMode === 'rollback' ? 'rolling back' : `ending as ${endingAs ?? 'cancelled'}`;
}

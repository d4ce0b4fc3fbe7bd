/** `mcpx sessions history`: what changed in a session and when, or what its tasks were like at a revision. */
import {type PastState, SessionPast} from '../../client/history.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {HistoryMark} from '../../protocol/commands/history.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {type ConnectOptions, withClient} from '../local/connect.ts';
import {requireSession} from './sessionRows.ts';

export interface HistoryOptions extends ConnectOptions, JsonOption {
  readonly at?: string;
}

export function showHistory(id: string, options: HistoryOptions, io: CommandIo): Promise<number> {
  const revision = options.at === undefined ? undefined : Number(options.at);
  if (revision !== undefined && !(Number.isSafeInteger(revision) && revision >= 0))
    throw new CoordinatorError('config', `"${options.at}" is not a revision`, {
      hint: 'mcpx sessions history SESSION lists the revisions at which it changed.',
    });
  return withClient(options, io, silentLogger, async client => {
    const session = await requireSession(client, id);
    const past = new SessionPast({client, sessionId: session.id});
    if (revision === undefined) {
      await past.refresh();
      const {marks, knownTo: upTo} = past;
      answer(io, options, {marks, upTo}, marks.map(mark => `${markLine(mark, session.id)}\n`).join(''));
      return EXIT.ok;
    }
    const state = await past.stateAt(revision);
    const {rows, transcripts} = state;
    const plain = {...state, rows: [...rows.values()], transcripts: Object.fromEntries(transcripts)};
    answer(io, options, plain, stateText(state));
    return EXIT.ok;
  });
}

function markLine(
  {revision, at, kind, id, state, deleted, gapAfter}: HistoryMark,
  sessionId: string,
): string {
  const start = `${String(revision).padStart(8)}  ${timeOf(at)}  ${kind.padEnd(8)}`;
  if (kind === 'gap') return `${start}  what changed after ${gapAfter} is not known`;
  const short = id.startsWith(sessionId) && id !== sessionId ? id.slice(sessionId.length + 1) : id;
  return `${start}  ${short}  ${deleted ? 'deleted' : (state ?? '')}`.trimEnd();
}

function stateText({revision, at, rows, gap}: PastState): string {
  const lines = [`revision ${revision}${at > 0 ? `, last change at ${timeOf(at)}` : ''}`];
  if (gap) lines.push(`what changed between ${gap.after} and ${gap.until} is not known`);
  const tasks: string[][] = [];
  for (const row of rows.values()) {
    if (row.kind === 'session') lines.push(`${row.id}  ${row.session.state}  ${row.session.name}`);
    if (row.kind === 'task') {
      const {id, state, attempts, result} = row.task;
      tasks.push([id, state, String(attempts), result?.commit?.slice(0, 10) ?? '']);
    }
  }
  const widths = [0, 1, 2].map(column => Math.max(0, ...tasks.map(cells => cells[column]?.length ?? 0)));
  for (const cells of tasks)
    lines.push(`  ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd());
  return `${lines.join('\n')}\n`;
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19);
}

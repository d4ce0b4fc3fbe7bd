/** Why a task's attempts ran where they did, as a page of Markdown that is read as it stands: the newest first. Pure. */
import type {Placement, TaskPlacements} from '../../coordinator/client/report/placements.ts';
import type {AttemptRecord, PlacementDecision} from '../../coordinator/protocol/model/attempt.ts';
import type {Words} from '../views/model/words.ts';
import {dateAndTime} from '../views/model/words.ts';
import {plain} from './plainMarkdown.ts';

/** Of a column's numbers. */
const DIGITS = 4;

export function placementMarkdown({task, placements}: TaskPlacements, words: Words): string {
  const {t} = words;
  const waits = task.waitingFor === undefined ? [] : [t('It waits: {0}', plain(task.waitingFor.message)), ''];
  const none = placements.length === 0 && waits.length === 0 ? [t('It was not placed yet.'), ''] : [];
  const lines = [
    `# ${t('Placement of {0}', plain(task.id))}`,
    '',
    ...waits,
    ...none,
    ...[...placements].reverse().flatMap(placement => attemptLines(placement, words)),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function attemptLines({attempt, text}: Placement, words: Words): string[] {
  const {t} = words;
  const {number, agentId, outcome, state, assignedAt, placement} = attempt;
  return [
    `## ${t('Attempt {0} on {1}, {2}', number, plain(agentId), outcome ?? state)}`,
    '',
    t('Placed: {0}', dateAndTime(assignedAt, words)),
    '',
    ...text.map(sentence => `- ${plain(sentence)}`),
    '',
    ...(placement ? scoreTable(attempt, placement, words) : []),
  ];
}

/** The chosen agent and the next best, with what their scores are made of. */
function scoreTable({agentId}: AttemptRecord, decision: PlacementDecision, {t}: Words): string[] {
  const {score, features, others = []} = decision;
  const rated = [{agentId, score, features}, ...others];
  const names = [...new Set(rated.flatMap(each => Object.keys(each.features)))];
  const head = [t('Agent'), t('Score'), ...names];
  const rows = rated.map((each, index) => [
    index === 0 ? t('{0} (chosen)', each.agentId) : each.agentId,
    number(each.score),
    ...names.map(name => number(each.features[name])),
  ]);
  return [...table([head, ...rows].map(cells => cells.map(plain))), ''];
}

function number(value: number | undefined): string {
  if (value === undefined) return '';
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS)));
}

/** Columns of equal width, the numbers on the right. */
function table([head = [], ...rows]: readonly string[][]): string[] {
  const widths = head.map((name, column) =>
    Math.max(3, name.length, ...rows.map(cells => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(head), line(rule), ...rows.map(line)];
}

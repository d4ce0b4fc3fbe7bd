/**
 * Three-way merge of texts by lines, as diff3 does it: changes of places that do not touch are both made. Pure; which side is which makes no
 * difference.
 */
import {type Merge, merged, unmergeable} from './memoryConflict.ts';

/** Lines of one side times lines of the other that are compared at most, after what is equal at both ends: the work of a moment. */
const MAX_CELLS = 4_000_000;

/** Lines `from`..`to` of the base are `lines` now. */
interface Edit {
  readonly from: number;
  readonly to: number;
  readonly lines: readonly string[];
}

export const textMerge: Merge = (base, mine, theirs) => {
  if (typeof mine !== 'string' || typeof theirs !== 'string') return unmergeable('not a text');
  if (mine === theirs) return merged(mine);
  if (typeof base !== 'string') return unmergeable('what both texts were made from is not known');
  if (base === mine) return merged(theirs);
  if (base === theirs) return merged(mine);
  const lines = linesOf(base);
  const ours = edits(lines, linesOf(mine));
  const others = edits(lines, linesOf(theirs));
  if (!ours || !others) return unmergeable('the texts differ in too many lines');
  return combine(lines, ours, others);
};

function combine(base: readonly string[], mine: readonly Edit[], theirs: readonly Edit[]) {
  const all = [...mine.map(edit => ({edit, side: 0})), ...theirs.map(edit => ({edit, side: 1}))].sort(
    (a, b) => a.edit.from - b.edit.from || a.edit.to - b.edit.to,
  );
  const text: string[] = [];
  let at = 0;
  let last: (typeof all)[number] | undefined;
  for (const each of all) {
    const {from, to, lines} = each.edit;
    if (last && from <= last.edit.to && each.side !== last.side) {
      if (equal(each.edit, last.edit)) continue;
      return unmergeable(`both sides changed the text at line ${from + 1}`);
    }
    text.push(...base.slice(at, from), ...lines);
    at = to;
    last = each;
  }
  return merged([...text, ...base.slice(at)].join(''));
}

function equal(a: Edit, b: Edit): boolean {
  return a.from === b.from && a.to === b.to && a.lines.join('') === b.lines.join('');
}

/** With their ends, so that the last one may have none. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** From `base` to `side`, in order; touching ones are one. Undefined when that is too much work. */
function edits(base: readonly string[], side: readonly string[]): Edit[] | undefined {
  let start = 0;
  while (start < base.length && start < side.length && base[start] === side[start]) start++;
  let [baseEnd, sideEnd] = [base.length, side.length];
  while (baseEnd > start && sideEnd > start && base[baseEnd - 1] === side[sideEnd - 1]) {
    baseEnd--;
    sideEnd--;
  }
  const [rows, columns] = [baseEnd - start, sideEnd - start];
  if (rows * columns > MAX_CELLS) return undefined;
  const common = commonLengths(base, side, {start, rows, columns});
  const found: Edit[] = [];
  for (let [row, column] = [0, 0]; row < rows || column < columns; ) {
    const [fromRow, fromColumn] = [row, column];
    while (row < rows || column < columns) {
      if (row < rows && column < columns && base[start + row] === side[start + column]) break;
      const below = common[(row + 1) * (columns + 1) + column] ?? 0;
      const beside = common[row * (columns + 1) + column + 1] ?? 0;
      if (column >= columns || (row < rows && below >= beside)) row++;
      else column++;
    }
    if (row > fromRow || column > fromColumn)
      found.push({
        from: start + fromRow,
        to: start + row,
        lines: side.slice(start + fromColumn, start + column),
      });
    while (row < rows && column < columns && base[start + row] === side[start + column]) {
      row++;
      column++;
    }
  }
  return found;
}

/** Length of the longest common subsequence of what follows each pair of lines. */
function commonLengths(
  base: readonly string[],
  side: readonly string[],
  {start, rows, columns}: {start: number; rows: number; columns: number},
): Uint32Array {
  const width = columns + 1;
  const common = new Uint32Array((rows + 1) * width);
  for (let row = rows - 1; row >= 0; row--)
    for (let column = columns - 1; column >= 0; column--)
      common[row * width + column] =
        base[start + row] === side[start + column]
          ? (common[(row + 1) * width + column + 1] ?? 0) + 1
          : Math.max(common[(row + 1) * width + column] ?? 0, common[row * width + column + 1] ?? 0);
  return common;
}

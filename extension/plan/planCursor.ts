/** What is being typed at a place of a plan: a key of which mapping, or the value of which key. Pure. */
import {type Document, isMap, isScalar, isSeq, type YAMLMap} from 'yaml';
import {findScalar, readPlanSyntax, type ScalarPlace, type Span} from './planSyntax.ts';

export interface PlanCursor {
  /** `key`: `path` is the mapping's. `value`: `path` is the value's own. */
  readonly kind: 'key' | 'value';
  readonly path: readonly PropertyKey[];
  /** What is typed of it so far, on both sides of the cursor. */
  readonly word: Span & {readonly text: string};
  /** The entries of the nearest mapping around, but for a key that is being typed. Values other than scalars are undefined. */
  readonly siblings: ReadonlyMap<string, unknown>;
  /** Texts of the list that it stands in. */
  readonly listed: ReadonlySet<string>;
  /** A ":" follows already. */
  readonly hasColon: boolean;
  /** Within brackets. */
  readonly isFlow: boolean;
  /** An entry that begins with "- ": it may become a mapping. */
  readonly isBlockItem: boolean;
  /** Columns between the indentation of the line and the word: what further lines of an insertion need in front. */
  readonly pad: number;
  /** The plan with a stand-in for the word. */
  readonly document: Document;
}

export const STAND_IN = 'mcpxTypedHere';

export function planCursor(text: string, offset: number): PlanCursor | undefined {
  const word = wordAt(text, offset);
  const lineStart = text.lastIndexOf('\n', offset - 1) + 1;
  const before = text.slice(lineStart, word.from);
  const hasColon = /^["']?[ \t]*:(?:\s|$)/.test(text.slice(word.to));
  for (const stand of standIns(before, hasColon)) {
    const document = readPlanSyntax(text.slice(0, word.from) + stand + text.slice(word.to));
    const place = document && findScalar(document, scalar => scalar.value === STAND_IN);
    if (!document || !place || (stand.endsWith(':') && isPairInList(place))) continue;
    return {
      ...contextOf(place),
      word,
      hasColon,
      isBlockItem: !place.isKey && /^\s*(?:- +)+$/.test(before),
      pad: before.trimStart().length,
      document,
    };
  }
  return undefined;
}

function wordAt(text: string, offset: number): Span & {text: string} {
  let [from, to] = [offset, offset];
  while (from > 0 && isWordAt(text, from - 1)) from--;
  while (to < text.length && isWordAt(text, to)) to++;
  return {from, to, text: text.slice(from, to)};
}

/** A dash belongs to a word when it stands within one. */
function isWordAt(text: string, at: number): boolean {
  const character = text[at] ?? '';
  return character === '-' ? /\w/.test(text[at - 1] ?? '') : /[\w.]/.test(character);
}

/** What the word may turn out to be, the likelier first. */
function standIns(before: string, hasColon: boolean): readonly string[] {
  if (hasColon) return [STAND_IN];
  if (/^\s*$/.test(before)) return [`${STAND_IN}:`, STAND_IN];
  if (/^\s*(?:- +)+$/.test(before)) return [STAND_IN, `${STAND_IN}:`];
  return [STAND_IN];
}

/** `[a:]` is a list with a mapping in it, which nobody means. */
function isPairInList({ancestors}: ScalarPlace): boolean {
  const [list, map] = ancestors.filter(part => isMap(part) || isSeq(part)).slice(-2);
  return isSeq(list) && list.flow === true && isMap(map) && map.items.length === 1;
}

function contextOf({
  scalar,
  path,
  isKey,
  ancestors,
}: ScalarPlace): Pick<PlanCursor, 'kind' | 'path' | 'siblings' | 'listed' | 'isFlow'> {
  const map = ancestors.findLast((part): part is YAMLMap => isMap(part));
  const parent = ancestors.at(-1);
  return {
    kind: isKey ? 'key' : 'value',
    path: isKey ? path.slice(0, -1) : path,
    siblings: new Map(
      (map?.items ?? []).flatMap(({key, value}): [string, unknown][] =>
        isScalar(key) && key !== scalar
          ? [[String(key.value), isScalar(value) ? value.value : undefined]]
          : [],
      ),
    ),
    listed: new Set(
      isSeq(parent)
        ? parent.items.flatMap(item => (isScalar(item) && item !== scalar ? [String(item.value)] : []))
        : [],
    ),
    isFlow: ancestors.some(part => (isMap(part) || isSeq(part)) && part.flow === true),
  };
}

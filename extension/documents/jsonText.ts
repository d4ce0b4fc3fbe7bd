/** JSON as a person edits it: parsed, or where it stops being JSON. Pure. */
import type {JsonValue} from '../../coordinator/runtime/json.ts';

export type ParsedJson =
  | {readonly kind: 'value'; readonly value: JsonValue}
  /** Lines and columns from 1. */
  | {readonly kind: 'problem'; readonly offset: number; readonly line: number; readonly column: number};

export function parseJsonText(text: string): ParsedJson {
  try {
    return {kind: 'value', value: JSON.parse(text) as JsonValue};
  } catch {
    const offset = firstFault(text);
    const before = text.slice(0, offset).split('\n');
    return {kind: 'problem', offset, line: before.length, column: (before.at(-1)?.length ?? 0) + 1};
  }
}

export function formatJson(value: JsonValue): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

const SPACE = /[ \t\n\r]*/y;
const LITERAL = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

/** Offset of the first character that cannot stand there; the end of the text when it ends too early. */
function firstFault(text: string): number {
  let at = 0;
  /** Closing brackets that are still to come, innermost last. */
  const open: ('}' | ']')[] = [];
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const take = (character: string): boolean => {
    match(SPACE);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  };
  const key = (): boolean => {
    match(SPACE);
    return match(STRING) && take(':');
  };
  for (;;) {
    match(SPACE);
    if (take('{')) {
      if (!take('}')) {
        if (!key()) return at;
        open.push('}');
        continue;
      }
    } else if (take('[')) {
      if (!take(']')) {
        open.push(']');
        continue;
      }
    } else if (!match(STRING) && !match(LITERAL)) return at;
    while (open.length > 0 && take(open.at(-1) ?? '')) open.pop();
    if (open.length === 0) {
      match(SPACE);
      return at;
    }
    if (!take(',') || (open.at(-1) === '}' && !key())) return at;
  }
}

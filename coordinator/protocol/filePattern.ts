/** Patterns of files as build tools have them: those of keys, where a leading `**` and its slash may stand for no folder too. Pure. */
import {compilePattern} from './keyPattern.ts';

const ANY_FOLDERS = '**/';
/** Each doubles what a file is compared with. */
const MAX_ANY = 4;

/** A test of paths from the root, with slashes. */
export function filePattern(pattern: string): (file: string) => boolean {
  const all = variants(pattern, 0, MAX_ANY).map(variant => compilePattern(variant));
  return file => all.some(({matches}) => matches(file));
}

function variants(pattern: string, from: number, left: number): string[] {
  const at = pattern.indexOf(ANY_FOLDERS, from);
  if (at < 0 || left === 0) return [pattern];
  const without = pattern.slice(0, at) + pattern.slice(at + ANY_FOLDERS.length);
  const isWhole = at === 0 || pattern[at - 1] === '/';
  const next = variants(pattern, at + ANY_FOLDERS.length, left - 1);
  return isWhole ? [...next, ...variants(without, at, left - 1)] : next;
}

/**
 * Three-way merge of JSON: what only one side changed is taken from it, member by member; what both changed alike is taken once; what both
 * changed differently is a conflict. Arrays are taken whole. Pure; which side is which makes no difference.
 */
import {canonicalJson, type JsonValue} from '../../runtime/json.ts';
import {type Merge, merged, unmergeable} from './memoryConflict.ts';

type JsonObject = {[key: string]: JsonValue};
type Maybe = JsonValue | undefined;

/** Paths that a conflict names at most. */
const MAX_NAMED = 8;
/** A value is merged whole below this depth: no stack is deep enough for every value. */
const MAX_DEPTH = 64;

export const jsonMerge: Merge = (base, mine, theirs) => {
  const conflicts: string[] = [];
  const value = mergeAt(base, mine, theirs, [], conflicts);
  if (conflicts.length === 0 && value !== undefined) return merged(value);
  const named = conflicts.slice(0, MAX_NAMED).join(', ');
  return unmergeable(`both sides changed ${named}${conflicts.length > MAX_NAMED ? ' and more' : ''}`);
};

function mergeAt(
  base: Maybe,
  mine: Maybe,
  theirs: Maybe,
  path: readonly string[],
  conflicts: string[],
): Maybe {
  if (same(mine, theirs)) return theirs;
  if (same(mine, base)) return theirs;
  if (same(theirs, base)) return mine;
  if (isObject(mine) && isObject(theirs) && path.length < MAX_DEPTH)
    return mergeMembers(isObject(base) ? base : {}, mine, theirs, path, conflicts);
  conflicts.push(path.length === 0 ? 'the value' : path.join('.'));
  return theirs;
}

function mergeMembers(
  base: JsonObject,
  mine: JsonObject,
  theirs: JsonObject,
  path: readonly string[],
  conflicts: string[],
): JsonObject {
  const names = [...new Set([...Object.keys(theirs), ...Object.keys(mine), ...Object.keys(base)])];
  const members: [string, JsonValue][] = [];
  for (const name of names) {
    const at = [...path, name];
    const value = mergeAt(member(base, name), member(mine, name), member(theirs, name), at, conflicts);
    if (value !== undefined) members.push([name, value]);
  }
  return Object.fromEntries(members);
}

function member(object: JsonObject, name: string): Maybe {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function same(a: Maybe, b: Maybe): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a === b || canonicalJson(a) === canonicalJson(b);
}

function isObject(value: Maybe): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

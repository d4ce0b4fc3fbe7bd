/** One value of the values that parts left. Pure. */
import type {JsonValue} from '../../runtime/json.ts';
import type {TaskResult} from '../model/task.ts';

export type ValueMerge = 'json' | 'concat';

/** In the order of the parts. What left no value counts with its last words. */
export function mergeValues(how: ValueMerge, results: readonly TaskResult[]): JsonValue {
  const values = results.map(({value, summary}): JsonValue => value ?? summary);
  return how === 'json' ? mergedJson(values) : values.map(textOf).join('\n');
}

/** Lists are joined, objects merged member by member; of what is neither, each is an item of a list. */
function mergedJson(values: readonly JsonValue[]): JsonValue {
  if (values.every(value => Array.isArray(value))) return values.flat();
  if (values.length > 0 && values.every(isObject)) return values.reduce(mergedObjects);
  return [...values];
}

function mergedObjects(
  ours: {readonly [key: string]: JsonValue},
  theirs: {readonly [key: string]: JsonValue},
): {[key: string]: JsonValue} {
  const merged = new Map(Object.entries(ours));
  for (const [key, value] of Object.entries(theirs)) {
    const before = merged.get(key);
    merged.set(key, before === undefined ? value : mergedMember(before, value));
  }
  return Object.fromEntries(merged);
}

/** The later part has the last word about what cannot be joined. */
function mergedMember(ours: JsonValue, theirs: JsonValue): JsonValue {
  if (Array.isArray(ours) && Array.isArray(theirs)) return [...ours, ...theirs];
  return isObject(ours) && isObject(theirs) ? mergedObjects(ours, theirs) : theirs;
}

function isObject(value: JsonValue): value is {[key: string]: JsonValue} {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: JsonValue): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

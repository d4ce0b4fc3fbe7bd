/** Merge of counters: both sides' steps count. A value is a number, or an object of counters. Pure; which side is which makes no difference. */
import type {JsonValue} from '../../runtime/json.ts';
import {type Merge, type MergeResult, merged, unmergeable} from './memoryConflict.ts';

export const counterMerge: Merge = (base, mine, theirs) => {
  if (typeof mine === 'number' && typeof theirs === 'number') return sum(base, mine, theirs);
  if (!isCounters(mine) || !isCounters(theirs)) return unmergeable('not a number, nor an object of numbers');
  const from = isCounters(base) ? base : {};
  const names = [...new Set([...Object.keys(theirs), ...Object.keys(mine)])];
  const counters: [string, JsonValue][] = [];
  for (const name of names) {
    // A counter that one side took away counts as nothing: its steps on the other side stay.
    const result = sum(count(from, name), count(mine, name), count(theirs, name));
    if (result.kind === 'conflict') return result;
    counters.push([name, result.value]);
  }
  return merged(Object.fromEntries(counters));
};

function sum(base: JsonValue | undefined, mine: number, theirs: number): MergeResult {
  const from = typeof base === 'number' ? base : 0;
  const total = theirs + mine - from;
  return Number.isFinite(total) ? merged(total) : unmergeable('the sum is beyond what a number can be');
}

function count(counters: Readonly<Record<string, number>>, name: string): number {
  return (Object.hasOwn(counters, name) ? counters[name] : undefined) ?? 0;
}

function isCounters(value: JsonValue | undefined): value is Record<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(each => typeof each === 'number');
}

/**
 * Decides what becomes of versions of a key that did not see each other, by the rule of the key. It reads no clock: the last writer is who
 * commits last. Pure.
 */
import * as z from 'zod';
import type {ConflictRule, ConflictStrategy} from '../../protocol/model/conflictStrategy.ts';
import {compareClocks, mergeClocks} from '../../protocol/vectorClock.ts';
import {assert} from '../../runtime/assert.ts';
import {describeError} from '../../runtime/errors.ts';
import {canonicalJson, isDeeperThan, type JsonValue, MAX_JSON_DEPTH} from '../../runtime/json.ts';
import {counterMerge} from './counterMerge.ts';
import {jsonMerge} from './jsonMerge.ts';
import type {
  ConflictResolution,
  ConflictVersion,
  MemoryConflict,
  Merge,
  MergeResult,
  Resolution,
} from './memoryConflict.ts';
import {unmergeable} from './memoryConflict.ts';
import {setMerge} from './setMerge.ts';
import {textMerge} from './textMerge.ts';

export type SelectRule = (conflict: Pick<MemoryConflict, 'key' | 'sessionId'>) => ConflictRule;

const Json = z.json();

const OWN_MERGES: Readonly<Record<string, Merge>> = {
  json: jsonMerge,
  counter: counterMerge,
  set: setMerge,
  text: textMerge,
};

export class ConflictResolver {
  private readonly merges = new Map<string, Merge>(Object.entries(OWN_MERGES));

  constructor(private readonly select: SelectRule) {}

  /** A merge that rules may name from now on. It must be pure. */
  register(name: string, merge: Merge): void {
    assert(!isOwn(name), `the merge ${name} is the resolver's own`);
    this.merges.set(name, merge);
  }

  knows(merge: string): boolean {
    return this.merges.has(merge);
  }

  /**
   * One outcome for conflicts of one key, in the order in which they came: each is resolved against what came out of those before it. Where a
   * person has to choose, that is the outcome.
   */
  async resolveConflict(conflicts: readonly MemoryConflict[]): Promise<ConflictResolution> {
    const [first, ...others] = conflicts;
    assert(first, 'there is a conflict to resolve');
    let outcome = this.resolve(first);
    let theirs = first.theirs;
    for (const conflict of others) {
      assert(conflict.key === first.key, 'the conflicts are of one key');
      if (outcome.resolution.kind === 'manual') break;
      const {value} = outcome.resolution;
      theirs = {...theirs, value, clock: mergeClocks(theirs.clock, first.mine.clock)};
      outcome = this.resolve({...conflict, theirs});
    }
    return outcome;
  }

  resolve(conflict: MemoryConflict): ConflictResolution {
    const rule = this.select(conflict);
    const decided = this.apply(rule, conflict);
    if (decided.kind === 'value' || rule.otherwise !== 'last-writer-wins' || rule.strategy === 'manual')
      return {strategy: decided.kind === 'manual' ? 'manual' : rule.strategy, resolution: decided};
    return {strategy: 'last-writer-wins', resolution: lastWriter(conflict)};
  }

  private apply(rule: ConflictRule, conflict: MemoryConflict): Resolution {
    const strategy: ConflictStrategy = rule.strategy;
    switch (strategy) {
      case 'last-writer-wins':
        return lastWriter(conflict);
      case 'vector-clock':
        return byClock(conflict);
      case 'merge':
        return this.merge(rule.merge ?? 'json', conflict);
      case 'manual':
        return {kind: 'manual', why: 'a person decides about this key'};
    }
  }

  private merge(name: string, {base, mine, theirs}: MemoryConflict): Resolution {
    // Equal values are no reason to stop: two equal steps of a counter are two steps.
    if (mine.value === undefined && theirs.value === undefined) return kept('theirs', theirs);
    if (mine.value === undefined || theirs.value === undefined)
      return {kind: 'manual', why: 'one side deleted what the other changed'};
    const merge = this.merges.get(name);
    if (!merge) return {kind: 'manual', why: `this coordinator has no merge ${name}`};
    const result = isOwn(name)
      ? merge(base?.value, mine.value, theirs.value)
      : guarded(name, merge, [base?.value, mine.value, theirs.value]);
    if (result.kind === 'conflict') return {kind: 'manual', why: result.why};
    if (equal(result.value, theirs.value)) return kept('theirs', theirs);
    if (equal(result.value, mine.value)) return kept('mine', mine);
    return {kind: 'value', kept: 'both', value: result.value};
  }
}

function isOwn(name: string): boolean {
  return Object.hasOwn(OWN_MERGES, name);
}

/** Somebody else's merge may do what it may not: throw, change what it is given, or make something that is no value. */
function guarded(name: string, merge: Merge, values: Parameters<Merge>): MergeResult {
  try {
    const result = merge(...structuredClone(values));
    if (result.kind === 'conflict') return unmergeable(String(result.why));
    if (!isDeeperThan(result.value, MAX_JSON_DEPTH) && Json.safeParse(result.value).success) return result;
    return unmergeable(`the merge ${name} made something that is no value`);
  } catch (error) {
    return unmergeable(`the merge ${name} failed: ${describeError(error)}`);
  }
}

/** By the revision of the commit: what is being committed now comes after all others. */
function lastWriter({mine, theirs}: MemoryConflict): Resolution {
  const later = (mine.revision ?? Number.POSITIVE_INFINITY) >= (theirs.revision ?? Number.POSITIVE_INFINITY);
  return later ? kept('mine', mine) : kept('theirs', theirs);
}

function byClock({mine, theirs}: MemoryConflict): Resolution {
  switch (compareClocks(theirs.clock, mine.clock)) {
    case 'before':
      return kept('mine', mine);
    case 'after':
    case 'equal':
      return kept('theirs', theirs);
    case 'concurrent':
      return {kind: 'manual', why: 'neither side has seen the other'};
  }
}

function kept(whose: 'mine' | 'theirs', {value}: ConflictVersion): Resolution {
  return {kind: 'value', kept: whose, value};
}

function equal(a: JsonValue | undefined, b: JsonValue | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a) === canonicalJson(b);
}

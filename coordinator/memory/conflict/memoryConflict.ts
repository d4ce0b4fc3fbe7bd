/** Two versions of one key that did not see each other, and what can become of them. Pure. */
import type {ConflictStrategy} from '../../protocol/model/conflictStrategy.ts';
import type {VectorClock} from '../../protocol/vectorClock.ts';
import type {JsonValue} from '../../runtime/json.ts';

export interface ConflictVersion {
  /** Absent: the key was deleted, or never there. */
  readonly value: JsonValue | undefined;
  readonly clock: VectorClock;
  /** That committed it. Absent: it is being committed now, and so after every other. */
  readonly revision?: number | undefined;
}

export interface MemoryConflict {
  readonly key: string;
  /** Whose memory it is: rules may be of one session. */
  readonly sessionId?: string | undefined;
  /** What both were made from, where that is known. */
  readonly base: ConflictVersion | undefined;
  /** What the store has. */
  readonly theirs: ConflictVersion;
  /** What comes in. */
  readonly mine: ConflictVersion;
}

export type Resolution =
  /** `kept` says whose value it is. Without a value the key is deleted. */
  | {
      readonly kind: 'value';
      readonly kept: 'mine' | 'theirs' | 'both';
      readonly value: JsonValue | undefined;
    }
  /** A person has to choose; `why` names what could not be reconciled. */
  | {readonly kind: 'manual'; readonly why: string};

/** `strategy` is the one that decided. */
export interface ConflictResolution {
  readonly strategy: ConflictStrategy;
  readonly resolution: Resolution;
}

export type MergeResult =
  | {readonly kind: 'merged'; readonly value: JsonValue}
  | {readonly kind: 'conflict'; readonly why: string};

/** One value of two that were made from `base` (absent: from nothing that is known). Neither may be changed in place. */
export type Merge = (base: JsonValue | undefined, mine: JsonValue, theirs: JsonValue) => MergeResult;

export function merged(value: JsonValue): MergeResult {
  return {kind: 'merged', value};
}

export function unmergeable(why: string): MergeResult {
  return {kind: 'conflict', why};
}

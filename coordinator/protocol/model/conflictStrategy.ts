/** How concurrent writes of shared memory are reconciled, by name, and which keys use what: a setting of the tenant. */
import * as z from 'zod';
import {SessionId} from '../ids.ts';
import {recordFields} from './record.ts';

export const CONFLICT_STRATEGIES = ['last-writer-wins', 'vector-clock', 'merge', 'manual'] as const;
export const ConflictStrategy = z.enum(CONFLICT_STRATEGIES);
export type ConflictStrategy = z.infer<typeof ConflictStrategy>;

/** Of `merge`; a coordinator may have others of its own. */
export const MERGES = ['json', 'counter', 'set', 'text'] as const;

export const ConflictRule = z.object({
  /** Of the keys that it holds for; the longest one that fits is chosen. */
  prefix: z.string().max(256),
  /** Default: every session. One for the session goes before one for all with the same prefix. */
  sessionId: SessionId.optional(),
  strategy: ConflictStrategy,
  /** Of `merge`. */
  merge: z.string().min(1).max(64).optional(),
  /** What decides where `vector-clock` and `merge` cannot. Default: a person. */
  otherwise: z.enum(['last-writer-wins', 'manual']).optional(),
});
export type ConflictRule = z.infer<typeof ConflictRule>;

export const MAX_CONFLICT_RULES = 256;

export const ConflictRules = z.looseObject({
  ...recordFields,
  rules: z.array(ConflictRule).max(MAX_CONFLICT_RULES),
});
export type ConflictRules = z.infer<typeof ConflictRules>;

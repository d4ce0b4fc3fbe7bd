/** The stored records of session histories: sealed pieces of journals, and how far they reach together. */
import * as z from 'zod';
import {Sha256, WallTime} from '../ids.ts';
import {recordFields} from './record.ts';

/** Digests that a record lists itself; more are listed by an artifact. */
export const MAX_LISTED_DIGESTS = 256;

const Revision = z.number().int().nonnegative();

/** One sealed piece of a session's journal: gzipped lines in the artifact store. */
export const HistorySegment = z.looseObject({
  ...recordFields,
  /** `changes`: every change of the session's rows from `firstRevision` to `lastRevision`. `rows`: all of them as they were at `lastRevision`. */
  kind: z.enum(['changes', 'rows']),
  artifact: Sha256,
  bytes: z.number().int().nonnegative(),
  /** Before compression. */
  textBytes: z.number().int().nonnegative(),
  firstRevision: Revision,
  lastRevision: Revision,
  lastAt: WallTime,
  lines: z.number().int().nonnegative(),
  /** Of `rows` that follow a gap: changes after this revision are not known. */
  gapAfter: Revision.optional(),
  /** Artifacts that these changes took out of the rows: the past still names them. */
  past: z.array(Sha256).max(MAX_LISTED_DIGESTS).optional(),
  /** As `past`, for artifacts that list others, or for more than fit. */
  pastLists: z
    .array(z.object({bundleList: Sha256}))
    .max(MAX_LISTED_DIGESTS)
    .optional(),
});
export type HistorySegment = z.infer<typeof HistorySegment>;

/** Every change of any session up to `revision` of this store incarnation is sealed. */
export const HistoryPosition = z.looseObject({
  ...recordFields,
  store: z.string().max(128),
  revision: Revision,
  /** Wall time of the newest change that was sealed. */
  at: WallTime,
});
export type HistoryPosition = z.infer<typeof HistoryPosition>;

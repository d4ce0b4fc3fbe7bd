/** A part of a kept transcript as bytes: compressed JSON lines, each part with a line that says where its paths lead. Parts may be joined end to end. */
import {promisify} from 'node:util';
import {gunzip, gzip} from 'node:zlib';
import * as z from 'zod';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {LedgerLine} from './ledger.ts';
import type {TranscriptEntry} from './transcriptEntry.ts';

const Line = z.union([
  z.strictObject({worktree: z.array(z.string())}),
  z.strictObject({
    file: z.string().regex(/^(?!.*\.\.)[\w./-]{0,256}$/),
    entry: z.looseObject({type: z.string()}),
  }),
]);

export interface KeptLine extends LedgerLine {
  /** The names of the worktree on the machine that wrote it. */
  readonly worktree: readonly string[];
}

const MAX_BYTES = 1024 ** 3;
const compress = promisify(gzip);
const decompress = promisify(gunzip);

export function encodeSegment(lines: readonly LedgerLine[], worktree: readonly string[]): Promise<Buffer> {
  const text = [{worktree}, ...lines.map(({file, entry}) => ({file, entry}))].map(
    line => `${JSON.stringify(line)}\n`,
  );
  return compress(text.join(''));
}

/** Throws `corrupt` for what is no segment. */
export async function decodeSegment(bytes: Uint8Array): Promise<KeptLine[]> {
  let worktree: readonly string[] = [];
  const kept: KeptLine[] = [];
  try {
    const text = (await decompress(bytes, {maxOutputLength: MAX_BYTES})).toString('utf8');
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const parsed = Line.parse(JSON.parse(line));
      if ('worktree' in parsed) worktree = parsed.worktree;
      else kept.push({file: parsed.file, entry: parsed.entry satisfies TranscriptEntry, worktree});
    }
  } catch (error) {
    throw new CoordinatorError('corrupt', 'a part of a kept conversation cannot be read', {cause: error});
  }
  return kept;
}

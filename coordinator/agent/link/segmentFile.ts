/** The file format of a transcript segment: a header line, then one event a line. What segments there are is transcriptSpool.ts. */
import {open, readFile} from 'node:fs/promises';
import * as z from 'zod';
import {AttemptId, Fence} from '../../protocol/ids.ts';
import {TranscriptEvent} from '../../protocol/transcript.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {parseJson} from '../../runtime/json.ts';

const SegmentHeader = z.object({
  v: z.literal(1),
  attemptId: AttemptId,
  fence: Fence,
  firstSeq: z.number().int().positive(),
});
export type SegmentHeader = z.infer<typeof SegmentHeader>;

export interface Segment {
  readonly header: SegmentHeader;
  readonly events: TranscriptEvent[];
}

export function segmentHeader(header: Omit<SegmentHeader, 'v'>): string {
  return `${JSON.stringify({v: 1, ...header})}\n`;
}

/**
 * Writes `text` where the file's good part ends; a part that an earlier failure left behind is overwritten. Not fsynced: the
 * file has to survive the agent, and without power the attempt is lost in any case.
 */
export async function writeSegment(file: string, position: number, text: string): Promise<void> {
  const handle = await open(file, position === 0 ? 'w' : 'r+', 0o600);
  try {
    const data = Buffer.from(text);
    let written = 0;
    while (written < data.length)
      written += (await handle.write(data, written, data.length - written, position + written)).bytesWritten;
  } finally {
    await handle.close();
  }
}

/** A torn last line is left out. Throws `corrupt` when the header is not one. */
export async function readSegment(file: string): Promise<Segment> {
  const [first = '', ...rest] = (await readFile(file, 'utf8')).split('\n');
  const header = SegmentHeader.safeParse(parseJson(first));
  if (!header.success) throw new CoordinatorError('corrupt', `${file} is no transcript segment`);
  const events: TranscriptEvent[] = [];
  for (const line of rest) {
    const event = TranscriptEvent.safeParse(parseJson(line));
    if (!event.success) break;
    events.push(event.data);
  }
  return {header: header.data, events};
}

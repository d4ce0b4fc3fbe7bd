/** Takes the values of secrets out of a line of Claude Code's transcript before it leaves the machine. Pure. */

import {isJsonObject} from '../../runtime/json.ts';
import type {SecretMask} from '../runner/secretMask.ts';
import type {TranscriptEntry} from './transcriptEntry.ts';

const SIGNED: ReadonlySet<unknown> = new Set(['thinking', 'redacted_thinking']);
/** Signed thinking cannot be changed, only be left out. */
const LEFT_OUT = {type: 'text', text: '(Thinking that held the value of a secret is left out here.)'};

export function maskedEntry(entry: TranscriptEntry, mask: SecretMask): TranscriptEntry {
  if (!mask.isNeeded) return entry;
  const {message} = entry;
  if (!isJsonObject(message) || !Array.isArray(message['content'])) return mask.value(entry);
  const content = message['content'].map((block: unknown) =>
    isJsonObject(block) && SIGNED.has(block['type'])
      ? JSON.stringify(mask.value(block)) === JSON.stringify(block)
        ? block
        : LEFT_OUT
      : mask.value(block),
  );
  return {
    ...mask.value({...entry, message: {...message, content: []}}),
    message: {...mask.value({...message, content: []}), content},
  };
}

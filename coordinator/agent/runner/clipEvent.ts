/** Brings a transcript event within the bounds of the wire contract; what is left out is said in its place. Pure. */
import type {TranscriptEvent} from '../../protocol/transcript.ts';

const MAX_TEXT = 65_536;
const MAX_ID = 128;
const MAX_NAME = 256;
const PREVIEW = 4096;

export function clipEvent(event: TranscriptEvent): TranscriptEvent {
  const parent = 'parent' in event && event.parent ? {parent: event.parent.slice(0, MAX_ID)} : {};
  switch (event.kind) {
    case 'text':
    case 'thinking':
    case 'output':
    case 'notice':
      return {...event, ...parent, text: clipText(event.text, MAX_TEXT)};
    case 'toolResult':
      return {...event, ...parent, id: event.id.slice(0, MAX_ID), text: clipText(event.text, MAX_TEXT)};
    case 'toolCall':
      return {
        ...event,
        ...parent,
        id: event.id.slice(0, MAX_ID),
        name: event.name.slice(0, MAX_NAME),
        input: clipInput(event.input),
      };
    case 'state':
    case 'gap':
      return event;
  }
}

/** At most `limit` UTF-16 units, no halved surrogate pair. */
export function clipText(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const note = `… (${text.length} characters in all)`;
  const end = limit - note.length;
  const halved = /[\uD800-\uDBFF]/.test(text.charAt(end - 1));
  return `${text.slice(0, halved ? end - 1 : end)}${note}`;
}

type Input = Extract<TranscriptEvent, {kind: 'toolCall'}>['input'];

function clipInput(input: Input): Input {
  const text = JSON.stringify(input);
  return text.length <= MAX_TEXT ? input : {clipped: clipText(text, PREVIEW), characters: text.length};
}

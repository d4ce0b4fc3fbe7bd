/** Brings transcript events and requests to people within the bounds of the wire contract; what is left out is said in its place. Pure. */
import type {ApprovalRequest} from '../../protocol/approval.ts';
import type {TranscriptEvent} from '../../protocol/transcript.ts';

const MAX_TEXT = 65_536;
const MAX_ID = 128;
const MAX_NAME = 256;
/** A request is one record of the store, which holds 64 KiB. */
const MAX_REQUEST_INPUT = 16_384;
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

/** Brings a request within the bounds of the wire contract. What a person allows unchanged is the whole input, not the clipped one. */
export function clipRequest(request: ApprovalRequest): ApprovalRequest {
  switch (request.kind) {
    case 'permission': {
      const reason = request.reason === undefined ? {} : {reason: clipText(request.reason, 4096)};
      const input = clipInput(request.input, MAX_REQUEST_INPUT);
      return {...request, ...reason, tool: request.tool.slice(0, MAX_NAME), input};
    }
    case 'question':
      return {...request, questions: request.questions.slice(0, 16).map(clipQuestion)};
    case 'decision':
      return request;
  }
}

type Question = Extract<ApprovalRequest, {kind: 'question'}>['questions'][number];

function clipQuestion({question, header, multiSelect, options}: Question): Question {
  return {
    question: clipText(question, 4096),
    multiSelect,
    options: options.slice(0, 32).map(({label, description}) => ({
      label: clipText(label, 512),
      ...(description === undefined ? {} : {description: clipText(description, 2048)}),
    })),
    ...(header === undefined ? {} : {header: clipText(header, 256)}),
  };
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

function clipInput(input: Input, limit = MAX_TEXT): Input {
  const text = JSON.stringify(input);
  return text.length <= limit ? input : {clipped: clipText(text, PREVIEW), characters: text.length};
}

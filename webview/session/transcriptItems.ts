/** Events of a transcript as a person reads them: a tool's call with its result, printed lines together, texts in their parts. Pure. */
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';

export type TranscriptItem =
  | {
      readonly kind: 'said';
      readonly seq: number;
      readonly at: number;
      readonly role: 'assistant' | 'user' | 'system' | 'thinking';
      readonly text: string;
      readonly nested: boolean;
    }
  | {
      readonly kind: 'tool';
      readonly seq: number;
      readonly at: number;
      readonly name: string;
      readonly brief: string;
      readonly input: unknown;
      /** Undefined: it runs, or its end is not known. */
      readonly result: {readonly isError: boolean; readonly text: string; readonly at: number} | undefined;
      readonly nested: boolean;
    }
  | {
      readonly kind: 'output';
      readonly seq: number;
      readonly at: number;
      readonly isError: boolean;
      readonly text: string;
    }
  | {
      readonly kind: 'note';
      readonly seq: number;
      readonly at: number;
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
    };

/** `firstSeq` is the first event's number. */
export function transcriptItems(events: readonly TranscriptEvent[], firstSeq: number): TranscriptItem[] {
  const results = new Map<string, Extract<TranscriptEvent, {kind: 'toolResult'}>>();
  const calls = new Set<string>();
  for (const event of events) {
    if (event.kind === 'toolResult') results.set(event.id, event);
    else if (event.kind === 'toolCall') calls.add(event.id);
  }
  const items: TranscriptItem[] = [];
  for (const [offset, event] of events.entries()) {
    const item = itemOf(event, firstSeq + offset, results, calls);
    if (!item) continue;
    const last = items.at(-1);
    if (item.kind === 'output' && last?.kind === 'output' && last.isError === item.isError)
      items[items.length - 1] = {...last, text: last.text + item.text};
    else items.push(item);
  }
  return items;
}

function itemOf(
  event: TranscriptEvent,
  seq: number,
  results: ReadonlyMap<string, Extract<TranscriptEvent, {kind: 'toolResult'}>>,
  calls: ReadonlySet<string>,
): TranscriptItem | undefined {
  const {at} = event;
  switch (event.kind) {
    case 'text':
      return {kind: 'said', seq, at, role: event.role, text: event.text, nested: event.parent !== undefined};
    case 'thinking':
      return {kind: 'said', seq, at, role: 'thinking', text: event.text, nested: event.parent !== undefined};
    case 'toolCall': {
      const {name, input} = event;
      const nested = event.parent !== undefined;
      return {kind: 'tool', seq, at, name, brief: brief(input), input, result: results.get(event.id), nested};
    }
    case 'toolResult':
      // Its call is before the window.
      if (calls.has(event.id)) return undefined;
      return {kind: 'output', seq, at, isError: event.isError, text: `${event.text}\n`};
    case 'output':
      return {kind: 'output', seq, at, isError: event.stream === 'stderr', text: event.text};
    case 'notice':
      return {kind: 'note', seq, at, level: event.level, text: event.text};
    case 'state':
      return {kind: 'note', seq, at, level: 'info', text: event.state};
    case 'gap':
      return {kind: 'note', seq, at, level: 'warn', text: `${event.dropped} events were not kept.`};
  }
}

const BRIEF_KEYS = ['command', 'file_path', 'path', 'pattern', 'url', 'query', 'description', 'prompt'];
const BRIEF_LENGTH = 160;

/** What a tool's call is about, in a line. */
export function brief(input: unknown): string {
  if (typeof input !== 'object' || input === null) return input === undefined ? '' : String(input);
  const named = Object.entries(input);
  for (const key of BRIEF_KEYS) {
    const value = named.find(([name]) => name === key)?.[1];
    if (typeof value === 'string') return oneLine(key.endsWith('path') ? shortPath(value) : value);
  }
  return named.length === 0 ? '' : oneLine(JSON.stringify(input));
}

const MAX_PATH = 48;

/** The end of a long path: its beginning is the attempt's own worktree. */
function shortPath(path: string): string {
  if (path.length <= MAX_PATH) return path;
  const parts = path.split('/');
  let short = parts.pop() ?? '';
  for (let next = parts.pop(); next !== undefined; next = parts.pop()) {
    if (short.length + next.length + 1 > MAX_PATH) break;
    short = `${next}/${short}`;
  }
  return `…/${short}`;
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > BRIEF_LENGTH ? `${line.slice(0, BRIEF_LENGTH)}…` : line;
}

export type TextPart = {readonly kind: 'code' | 'text'; readonly text: string};

/** Fenced code apart from the rest. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = [];
  for (const [at, piece] of text.split(/^```[^\n]*\n?/m).entries())
    if (piece.trim() !== '')
      parts.push({kind: at % 2 === 1 ? 'code' : 'text', text: piece.replace(/\n+$/, '')});
  return parts;
}

export interface InlinePart {
  readonly kind: 'code' | 'bold' | 'plain';
  readonly text: string;
}

/** `code`, **bold** and the rest of a line of text. */
export function inlineParts(text: string): InlinePart[] {
  return text
    .split(/(`[^`\n]+`|\*\*[^*\n]+\*\*)/)
    .filter(piece => piece !== '')
    .map((piece): InlinePart => {
      if (piece.startsWith('`') && piece.length > 2) return {kind: 'code', text: piece.slice(1, -1)};
      if (piece.startsWith('**') && piece.length > 4) return {kind: 'bold', text: piece.slice(2, -2)};
      return {kind: 'plain', text: piece};
    });
}

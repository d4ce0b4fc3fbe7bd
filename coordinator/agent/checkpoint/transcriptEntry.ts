/** What we look at in one line of Claude Code's own transcript. The format is Claude Code's: whatever else is in a line is carried along as it is. Pure. */
import {isJsonObject} from '../../runtime/json.ts';

/** JSON by nature. `''` names the conversation's own file; others are subagents', such as `subagents/agent-1`. */
export type TranscriptEntry = {
  type: string;
  uuid?: string;
  [key: string]: unknown;
};

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
}

/** The conversation's own file, among those of a transcript. */
export const MAIN_FILE = '';

/** Tool calls that an answer of the model makes. */
export function callsOf(entry: TranscriptEntry): ToolCall[] {
  if (entry.type !== 'assistant') return [];
  return blocksOf(entry).flatMap(({type, id, name, input}) =>
    type === 'tool_use' && typeof id === 'string' ? [{id, name: String(name), input}] : [],
  );
}

/** Ids of the tool calls whose results the entry holds. */
export function resultsOf(entry: TranscriptEntry): string[] {
  if (entry.type !== 'user') return [];
  return blocksOf(entry).flatMap(({type, tool_use_id: id}) =>
    type === 'tool_result' && typeof id === 'string' ? [id] : [],
  );
}

/** A person, the task or Claude Code itself begins a turn: calls without a result before it never get one. */
export function beginsTurn(entry: TranscriptEntry): boolean {
  if (entry.type === 'system') return entry['subtype'] === 'compact_boundary';
  return entry.type === 'user' && entry['isMeta'] !== true && resultsOf(entry).length === 0;
}

/** An answer is written in several entries; only the last ones say by their reason that no tool call follows. */
export function endsTurn(entry: TranscriptEntry): boolean {
  if (entry.type !== 'assistant') return false;
  const reason = messageOf(entry)?.['stop_reason'];
  return typeof reason === 'string' && reason !== 'tool_use' && reason !== 'pause_turn';
}

function blocksOf(entry: TranscriptEntry): Readonly<Record<string, unknown>>[] {
  const content = messageOf(entry)?.['content'];
  return Array.isArray(content) ? content.filter(isJsonObject) : [];
}

function messageOf({message}: TranscriptEntry): Readonly<Record<string, unknown>> | undefined {
  return isJsonObject(message) ? message : undefined;
}

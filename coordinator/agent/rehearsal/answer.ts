/** One answer in the shape of the Messages API, whole or as the events of a stream. Pure; timing is the server's. */
import type {JsonValue} from '../../runtime/json.ts';
import type {Turn} from './script.ts';

type JsonObject = {[key: string]: JsonValue};

export interface Answer {
  readonly message: JsonObject;
  readonly events: readonly StreamEvent[];
}

export interface StreamEvent {
  readonly type: string;
  readonly data: JsonObject;
  /** Wait so long before sending it. */
  readonly afterMs: number;
}

export interface AnswerIds {
  readonly message: string;
  tool(index: number): string;
}

const CHARACTERS_PER_TOKEN = 4;
const CHARACTERS_PER_DELTA = 60;

export function answerOf(turn: Turn, model: string, inputTokens: number, ids: AnswerIds): Answer {
  const blocks = blocksOf(turn, ids);
  const written = JSON.stringify(blocks).length;
  const outputTokens = turn.usage?.outputTokens ?? Math.ceil(written / CHARACTERS_PER_TOKEN);
  const usage: JsonObject = {
    input_tokens: turn.usage?.inputTokens ?? inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: outputTokens,
    service_tier: 'standard',
  };
  const stopReason = turn.refuse ? 'refusal' : (turn.calls?.length ?? 0) > 0 ? 'tool_use' : 'end_turn';
  const base: JsonObject = {id: ids.message, type: 'message', role: 'assistant', model};
  const open: JsonObject = {
    ...base,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {...usage, output_tokens: 1},
  };
  return {
    message: {...base, content: blocks, stop_reason: stopReason, stop_sequence: null, usage},
    events: [
      event('message_start', {message: open}),
      event('ping', {}),
      ...blocks.flatMap((block, index) => blockEvents(block, index, turn)),
      event('message_delta', {
        delta: {stop_reason: stopReason, stop_sequence: null},
        usage: {output_tokens: outputTokens},
      }),
      event('message_stop', {}),
    ],
  };
}

function blocksOf(turn: Turn, ids: AnswerIds): JsonObject[] {
  const blocks: JsonObject[] = [];
  if (turn.thinking) blocks.push({type: 'thinking', thinking: turn.thinking, signature: 'rehearsal'});
  const text = turn.text ?? (turn.slow ? fillerOf(turn.slow.chunks) : '');
  if (text !== '') blocks.push({type: 'text', text});
  for (const [index, {tool, input}] of (turn.calls ?? []).entries())
    blocks.push({type: 'tool_use', id: ids.tool(index), name: tool, input});
  // The API answers with at least one block.
  if (blocks.length === 0) blocks.push({type: 'text', text: turn.refuse ? 'Refused.' : 'Nothing to say.'});
  return blocks;
}

function fillerOf(chunks: number): string {
  return Array.from({length: chunks}, (_, index) => `piece ${index + 1} of ${chunks}.`).join(' ');
}

function blockEvents(block: JsonObject, index: number, turn: Turn): StreamEvent[] {
  const start = (empty: JsonObject): StreamEvent =>
    event('content_block_start', {index, content_block: {...block, ...empty}});
  const delta = (data: JsonObject, afterMs = 0): StreamEvent =>
    event('content_block_delta', {index, delta: data}, afterMs);
  const stop = event('content_block_stop', {index});
  if (block['type'] === 'thinking')
    return [
      start({thinking: '', signature: ''}),
      ...pieces(String(block['thinking'])).map(thinking => delta({type: 'thinking_delta', thinking})),
      delta({type: 'signature_delta', signature: 'rehearsal'}),
      stop,
    ];
  if (block['type'] === 'text') {
    const text = String(block['text']);
    const {chunks, everyMs} = turn.slow ?? {
      chunks: Math.ceil(text.length / CHARACTERS_PER_DELTA),
      everyMs: 0,
    };
    const parts = pieces(text, Math.max(1, Math.ceil(text.length / chunks)));
    return [start({text: ''}), ...parts.map(part => delta({type: 'text_delta', text: part}, everyMs)), stop];
  }
  const input = pieces(JSON.stringify(block['input'] ?? {}));
  return [
    start({input: {}}),
    ...input.map(partial => delta({type: 'input_json_delta', partial_json: partial})),
    stop,
  ];
}

function pieces(text: string, size = CHARACTERS_PER_DELTA): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length; start += size) parts.push(text.slice(start, start + size));
  return parts;
}

function event(type: string, data: JsonObject, afterMs = 0): StreamEvent {
  return {type, data: {type, ...data}, afterMs};
}

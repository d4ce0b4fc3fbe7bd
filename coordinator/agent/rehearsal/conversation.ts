/** Reads a Messages API request as the conversation it continues: who asks, what was said, and what the model already answered. */
import * as z from 'zod';
import {type AttemptMarker, findAttemptMarker} from './attemptMarker.ts';

const Block = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  tool_use_id: z.string().optional(),
});
const Content = z.union([z.string(), z.array(Block)]);

/** Of a request only what a rehearsal looks at. */
export const MessagesRequest = z.looseObject({
  model: z.string(),
  stream: z.boolean().optional(),
  system: Content.optional(),
  messages: z.array(z.looseObject({role: z.string(), content: Content})),
  tools: z.array(z.looseObject({name: z.string().optional(), input_schema: z.json().optional()})).optional(),
});
export type MessagesRequest = z.infer<typeof MessagesRequest>;

/** The steps of a conversation: something a person or the task said, an automatic message, or an answer of the model. */
export type Step =
  | {readonly kind: 'said'; readonly text: string}
  | {readonly kind: 'event'}
  | {readonly kind: 'answered'};

export interface Conversation {
  readonly marker: AttemptMarker | undefined;
  readonly steps: readonly Step[];
}

export function readConversation(request: MessagesRequest): Conversation {
  return {marker: markerOf(request), steps: request.messages.flatMap(stepsOf)};
}

/** Where a subagent works, which carries no marker of ours. */
export function workingDirectoryOf(request: MessagesRequest): string | undefined {
  for (const content of [request.system ?? '', ...request.messages.map(message => message.content)]) {
    const match = /Primary working directory: (.+)/.exec(textsOf(content).join('\n'));
    if (match?.[1]) return match[1].trim();
  }
  return undefined;
}

function markerOf(request: MessagesRequest): AttemptMarker | undefined {
  return findAttemptMarker(textsOf(request.system ?? '').join('\n'));
}

function stepsOf(message: MessagesRequest['messages'][number]): Step[] {
  if (message.role === 'assistant') return isFiller(message.content) ? [] : [{kind: 'answered'}];
  const texts = textsOf(message.content);
  const late = texts.flatMap(lateMessages).map((text): Step => ({kind: 'said', text}));
  if (message.role !== 'user') return late;
  const said = texts
    .map(withoutReminders)
    .filter(text => text !== '' && !text.startsWith('[Request interrupted'))
    .map((text): Step => ({kind: 'said', text}));
  if (said.length + late.length > 0) return [...said, ...late];
  const isToolResult =
    typeof message.content !== 'string' && message.content.some(block => block.type === 'tool_result');
  return isToolResult ? [] : [{kind: 'event'}];
}

/** Claude Code's own words where a conversation that is gone on with was cut off before an answer. */
function isFiller(content: z.infer<typeof Content>): boolean {
  const blocks = typeof content === 'string' ? 1 : content.length;
  return blocks === 1 && textsOf(content)[0] === 'No response requested.';
}

/** A message that was sent in the middle of a turn reaches the model as a note of Claude Code's. */
function lateMessages(text: string): string[] {
  const notes = text.matchAll(
    /The user sent a new message while you were working:\n([\s\S]*?)(?=\n\nThis is how Claude Code|\n<\/system-reminder>|$)/g,
  );
  return [...notes].flatMap(([, said]) => (said?.trim() ? [said.trim()] : []));
}

/** What Claude Code adds to messages by itself is not something that was said. */
function withoutReminders(text: string): string {
  return text.replace(/<system-reminder>[\s\S]*?<\/system-reminder>/g, '').trim();
}

function textsOf(content: z.infer<typeof Content>): string[] {
  if (typeof content === 'string') return [content];
  return content.flatMap(block => (block.type === 'text' && block.text !== undefined ? [block.text] : []));
}

/** Claude Code's messages as events of a transcript, in order and bounded. Pure; what they mean for the attempt is claudeAttempt.ts. */
import type {SDKAssistantMessage, SDKMessage, SDKUserMessage} from '@anthropic-ai/claude-agent-sdk';
import type {JsonValue} from '../../../runtime/json.ts';
import type {DriverEvent} from '../../driver.ts';

const MAX_TEXT_CHARACTERS = 32_768;
const MAX_INPUT_STRING_CHARACTERS = 16_384;

type SystemMessage = Extract<SDKMessage, {type: 'system'}>;

export function eventsOf(message: SDKMessage, at: number): DriverEvent[] {
  switch (message.type) {
    case 'assistant':
      return assistantEvents(message, at);
    case 'user':
      return userEvents(message, at);
    case 'system':
      return systemEvents(message, at);
    default:
      return [];
  }
}

export function notice(at: number, level: 'info' | 'warn' | 'error', text: string): DriverEvent {
  return {kind: 'notice', at, level, text: clip(text)};
}

export function userText(at: number, text: string): DriverEvent {
  return {kind: 'text', at, role: 'user', text: clip(text)};
}

function assistantEvents(message: SDKAssistantMessage, at: number): DriverEvent[] {
  const parent = message.parent_tool_use_id ?? undefined;
  return message.message.content.flatMap((block): DriverEvent[] => {
    switch (block.type) {
      case 'text':
        // An API error arrives as an answer with the error's text in it.
        if (message.error) return [notice(at, 'error', block.text)];
        return block.text === ''
          ? []
          : [{kind: 'text', at, role: 'assistant', text: clip(block.text), parent}];
      case 'thinking':
        return block.thinking === '' ? [] : [{kind: 'thinking', at, text: clip(block.thinking), parent}];
      case 'tool_use':
      case 'server_tool_use':
      case 'mcp_tool_use':
        return [{kind: 'toolCall', at, id: block.id, name: block.name, input: clipJson(block.input), parent}];
      case 'mcp_tool_result':
      case 'web_search_tool_result':
      case 'web_fetch_tool_result':
        return [toolResult(at, block.tool_use_id, false, block.content, parent)];
      default:
        return [];
    }
  });
}

function userEvents(message: SDKUserMessage, at: number): DriverEvent[] {
  const parent = message.parent_tool_use_id ?? undefined;
  const {content} = message.message;
  const blocks = typeof content === 'string' ? [{type: 'text' as const, text: content}] : content;
  return blocks.flatMap((block): DriverEvent[] => {
    if (block.type === 'tool_result')
      return [toolResult(at, block.tool_use_id, block.is_error === true, block.content, parent)];
    if (block.type !== 'text' || block.text === '' || message.isSynthetic) return [];
    return [{kind: 'text', at, role: 'user', text: clip(block.text), parent}];
  });
}

function systemEvents(message: SystemMessage, at: number): DriverEvent[] {
  switch (message.subtype) {
    case 'api_retry': {
      const status = message.error_status === null ? 'no answer' : `status ${message.error_status}`;
      const seconds = Math.ceil(message.retry_delay_ms / 1000);
      return [
        notice(
          at,
          'warn',
          `The model API failed (${status}); try ${message.attempt} of ${message.max_retries} follows in ${seconds} s.`,
        ),
      ];
    }
    case 'compact_boundary':
      return [notice(at, 'info', 'The conversation was compacted.')];
    case 'permission_denied':
      return [notice(at, 'warn', `${message.tool_name} was not permitted: ${message.message}`)];
    case 'task_notification':
      return message.ambient || message.skip_transcript
        ? []
        : [notice(at, 'info', `Background work ${message.status}: ${message.summary}`)];
    case 'model_refusal_fallback':
      return [notice(at, 'warn', `${message.original_model} declined; ${message.fallback_model} answers.`)];
    case 'model_refusal_no_fallback':
      return [notice(at, 'error', message.content)];
    case 'informational':
      return [notice(at, 'info', message.content)];
    case 'local_command_output':
      return [{kind: 'text', at, role: 'system', text: clip(message.content)}];
    default:
      return [];
  }
}

function toolResult(
  at: number,
  id: string,
  isError: boolean,
  content: unknown,
  parent: string | undefined,
): DriverEvent {
  return {kind: 'toolResult', at, id, isError, text: clip(textOf(content)), parent};
}

/** Images and the like are named, not shown. */
function textOf(content: unknown): string {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return JSON.stringify(content);
  return content
    .map((block: {type?: unknown; text?: unknown}) =>
      typeof block.text === 'string' ? block.text : `[${String(block.type)}]`,
    )
    .join('\n');
}

export function clip(text: string, limit = MAX_TEXT_CHARACTERS): string {
  if (text.length <= limit) return text;
  const end = text.charCodeAt(limit - 1) >>> 10 === 0x36 ? limit - 1 : limit;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}

/** Tool inputs are JSON by protocol; only their strings grow large. */
export function clipJson(value: unknown): JsonValue {
  if (typeof value === 'string') return clip(value, MAX_INPUT_STRING_CHARACTERS);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(clipJson);
  if (typeof value !== 'object') return null;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, clipJson(inner)]));
}

/** The last tool calls of a transcript, each with how it ended. Pure. */
import * as z from 'zod';
import type {TranscriptEvent} from '../../../coordinator/protocol/transcript.ts';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The one thing of its input that tells it from others. */
  readonly summary: string;
  /** The input as JSON, cut. */
  readonly input: string;
  readonly state: 'running' | 'done' | 'failed';
  /** The result's beginning. */
  readonly result?: string;
}

const Questions = z.object({questions: z.array(z.object({question: z.string()}))});

const MOST = 50;
const LONGEST_INPUT = 1000;
const LONGEST_SUMMARY = 120;

/** What people look for first in the inputs of Claude Code's own tools. */
const TELLING = [
  'command',
  'file_path',
  'notebook_path',
  'pattern',
  'path',
  'url',
  'query',
  'description',
  'prompt',
];
/** Of a path, its end. */
const PATHS: ReadonlySet<string> = new Set(['file_path', 'notebook_path', 'path']);
const SHOWN_SEGMENTS = 3;

export class ToolCalls {
  constructor(private readonly attemptId: string) {}

  private readonly calls = new Map<string, ToolCall>();

  /** Oldest first. */
  get ids(): readonly string[] {
    return [...this.calls.keys()];
  }

  get(id: string): ToolCall | undefined {
    return this.calls.get(id);
  }

  /** Ids of calls that look different; `added` when the list is another. */
  take(events: readonly TranscriptEvent[]): {readonly changed: ReadonlySet<string>; readonly added: boolean} {
    const changed = new Set<string>();
    let added = false;
    for (const event of events) {
      if (event.kind === 'toolCall') {
        this.calls.set(event.id, {
          id: event.id,
          name: event.name,
          summary: inputSummary(event.input, this.attemptId),
          input: JSON.stringify(event.input, undefined, 2).slice(0, LONGEST_INPUT),
          state: 'running',
        });
        added = true;
        const [oldest] = this.calls.keys();
        if (this.calls.size > MOST && oldest !== undefined) this.calls.delete(oldest);
      } else if (event.kind === 'toolResult') {
        const call = this.calls.get(event.id);
        if (!call) continue;
        this.calls.set(event.id, {
          ...call,
          state: event.isError ? 'failed' : 'done',
          result: event.text.slice(0, LONGEST_INPUT),
        });
        changed.add(event.id);
      }
    }
    return {changed, added};
  }
}

/** One line of a tool's input, for people. */
export function inputSummary(input: unknown, attemptId?: string): string {
  if (typeof input !== 'object' || input === null) return oneLine(String(input ?? ''));
  const fields = new Map<string, unknown>(Object.entries(input));
  for (const name of TELLING) {
    const value = fields.get(name);
    if (typeof value === 'string' && value !== '')
      return oneLine(PATHS.has(name) ? shownPath(value, attemptId) : value);
  }
  const asked = Questions.safeParse(input);
  if (asked.success) return oneLine(asked.data.questions[0]?.question ?? '');
  return oneLine(fields.size === 0 ? '' : JSON.stringify(input));
}

/** From the root of the attempt's worktree, if it is in there. */
function shownPath(file: string, attemptId: string | undefined): string {
  const root = `/${attemptId}/worktree/`;
  const at = attemptId === undefined ? -1 : file.indexOf(root);
  if (at >= 0) return file.slice(at + root.length);
  const segments = file.split(/[\\/]/);
  return segments.length <= SHOWN_SEGMENTS + 1 ? file : `…/${segments.slice(-SHOWN_SEGMENTS).join('/')}`;
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > LONGEST_SUMMARY ? `${line.slice(0, LONGEST_SUMMARY - 1)}…` : line;
}

/** What a tool of the hub is: its schemas, whom it is for, and how its answers and faults become results. */
import type {CallToolResult, Tool} from '@modelcontextprotocol/server';
import * as z from 'zod';
import {wireError} from '../../bridge/wireErrors.ts';
import type {Logger} from '../../observability/logger.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Clock} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import type {SurfaceCall} from '../surface.ts';
import type {Actor} from './actor.ts';

export interface ToolContext {
  readonly actor: Actor;
  readonly call: Pick<SurfaceCall, 'signal' | 'progress'>;
  readonly clock: Clock;
  readonly random: Random;
}

/** `client`: people and their programs. `attempt`: what an attempt does to its own task. */
type Scope = 'client' | 'attempt' | 'both';

interface ToolDefinition<I extends z.ZodObject, O extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly scope: Scope;
  readonly input: I;
  readonly output: O;
  /** It changes nothing: a backup may use it too. */
  readonly readOnly?: true;
  /** It ends or deletes something. */
  readonly destructive?: true;
  /** Called again with the same arguments it has no further effect. */
  readonly idempotent?: true;
  run(input: z.output<I>, context: ToolContext): Promise<z.input<O>>;
  /** For people, and for clients that read no structured content. */
  say(output: z.output<O>): string;
}

export interface HubTool {
  readonly tool: Tool;
  readonly scope: Scope;
  readonly readOnly: boolean;
  /** That it failed is a result. */
  call(args: unknown, context: ToolContext, logger: Logger): Promise<CallToolResult>;
}

export function hubTool<I extends z.ZodObject, O extends z.ZodObject>(
  definition: ToolDefinition<I, O>,
): HubTool {
  const {name, title, description, scope, input, output, run, say} = definition;
  const {readOnly = false, destructive = false, idempotent = readOnly} = definition;
  return {
    scope,
    readOnly,
    tool: {
      name,
      title,
      description,
      inputSchema: jsonSchema(input, 'input'),
      outputSchema: jsonSchema(output, 'output'),
      annotations: {
        title,
        readOnlyHint: readOnly,
        destructiveHint: destructive,
        idempotentHint: idempotent,
        // Whoever works for it may do anything that a plan allows.
        openWorldHint: !readOnly,
      },
    },
    async call(args, context, logger) {
      try {
        const answer = output.parse(await run(checked(input, args), context));
        return {content: [{type: 'text', text: say(answer)}], structuredContent: {...answer}};
      } catch (error) {
        return failure(error, name, logger);
      }
    },
  };
}

/** A result that says what went wrong. The model reads it and may do better. */
export function failure(error: unknown, tool: string, logger: Logger): CallToolResult {
  const told = isCoordinatorError(error, 'config')
    ? new ProtocolError('invalidParams', error.message, error.hint ? {hint: error.hint} : undefined)
    : wireError(error);
  if (told.kind === 'internal') logger.error('a tool failed', {tool, error});
  const hint = hintIn(told.data);
  const text = `${told.kind}: ${told.message}${hint === undefined ? '' : `\n${hint}`}`;
  return {isError: true, content: [{type: 'text', text}], _meta: {'dev.mcpx/error': told.kind}};
}

function hintIn(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null || !('hint' in data)) return undefined;
  return typeof data.hint === 'string' ? data.hint : undefined;
}

function checked<I extends z.ZodObject>(schema: I, args: unknown): z.output<I> {
  const parsed = schema.safeParse(args ?? {});
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues
    .slice(0, 8)
    .map(({path, message}) => `${path.join('.') || 'arguments'}: ${message}`);
  throw new ProtocolError('invalidParams', lines.join('\n'));
}

function jsonSchema(schema: z.ZodObject, io: 'input' | 'output'): Tool['inputSchema'] {
  const {$schema: _draft, ...made} = z.toJSONSchema(schema, {io});
  return {...made, type: 'object'} as Tool['inputSchema'];
}

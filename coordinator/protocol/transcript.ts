/** The ordered events of an attempt: what Claude Code said and did, what a command printed, what the agent noticed. */
import * as z from 'zod';
import {WallTime} from './ids.ts';

const text = z.string().max(65_536);
const parent = z.string().max(128).optional();

export const TranscriptEvent = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('text'),
    at: WallTime,
    role: z.enum(['assistant', 'user', 'system']),
    text,
    parent,
  }),
  z.object({kind: z.literal('thinking'), at: WallTime, text, parent}),
  z.object({
    kind: z.literal('toolCall'),
    at: WallTime,
    id: z.string().max(128),
    name: z.string().max(256),
    input: z.json(),
    parent,
  }),
  z.object({
    kind: z.literal('toolResult'),
    at: WallTime,
    id: z.string().max(128),
    isError: z.boolean(),
    text,
    parent,
  }),
  z.object({kind: z.literal('output'), at: WallTime, stream: z.enum(['stdout', 'stderr']), text}),
  z.object({kind: z.literal('notice'), at: WallTime, level: z.enum(['info', 'warn', 'error']), text}),
  z.object({
    kind: z.literal('state'),
    at: WallTime,
    state: z.enum(['preparing', 'running', 'waiting', 'verifying', 'ended']),
  }),
  /** Events that the agent's bounded spool could not keep. */
  z.object({kind: z.literal('gap'), at: WallTime, dropped: z.number().int().positive()}),
]);
export type TranscriptEvent = z.infer<typeof TranscriptEvent>;

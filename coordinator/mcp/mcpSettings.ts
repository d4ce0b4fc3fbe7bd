/** Every limit and period of the hub as an MCP server, with its default and what it is for. */
import * as z from 'zod';

const count = (fallback: number, text: string) =>
  z.number().int().positive().default(fallback).describe(text);
const ms = (fallback: number, text: string) => z.number().positive().default(fallback).describe(text);
const bytes = (fallback: number, text: string) =>
  z.number().int().positive().default(fallback).describe(text);

export const McpSettings = z.object({
  maxBodyBytes: bytes(4 * 1024 ** 2, 'largest body of a request; a larger one is answered 413'),
  maxInFlight: count(256, 'requests of one client in work; more are answered 429'),
  maxInFlightPerPrincipal: count(1024, 'requests of one principal in work; more are answered 429'),
  maxSessions: count(4096, 'sessions in all; then the one that was idle longest makes way'),
  maxSessionsPerPrincipal: count(
    256,
    'sessions of one principal; then its own that was idle longest makes way',
  ),
  sessionIdleMs: ms(
    30 * 60_000,
    'a session or client that asked nothing this long, and has no stream open, is let go',
  ),
  maxListens: count(4096, 'open streams of subscriptions/listen in all'),
  maxListensPerPrincipal: count(256, 'open streams of subscriptions/listen of one principal'),
  maxSubscriptions: count(1024, 'resources that one client may be subscribed to'),
  maxKeptEvents: count(512, 'events that a session keeps for clients that resume a stream'),
  maxKeptEventBytes: bytes(1024 ** 2, 'size of the events that a session keeps'),
  maxKeptEventBytesInAll: bytes(64 * 1024 ** 2, 'size of the events that all sessions keep'),
  maxBufferedBytes: bytes(16 * 1024 ** 2, 'unread output of one stream before it is cut as too slow'),
  pageSize: count(1000, 'entries of one page of a list'),
  soonMs: z
    .number()
    .nonnegative()
    .default(100)
    .describe('a call of a tool that ends within this is answered in one piece; 0: none is'),
  streamAfterMs: ms(5000, 'a call that takes longer is answered by a stream, which is kept alive'),
  keepAliveMs: ms(15_000, 'time between signs of life on a silent stream'),
  clientRequestTimeoutMs: ms(600_000, 'time that a client, or the person at it, has to answer a question'),
});
export type McpSettings = z.infer<typeof McpSettings>;

export function mcpSettings(given: z.input<typeof McpSettings> = {}): McpSettings {
  return McpSettings.parse(given);
}

/** Every limit and period of the hub, with its default and what it is for. */
import * as z from 'zod';

const count = (fallback: number, text: string) =>
  z.number().int().positive().default(fallback).describe(text);
const ms = (fallback: number, text: string) => z.number().positive().default(fallback).describe(text);
const bytes = (fallback: number, text: string) =>
  z.number().int().positive().default(fallback).describe(text);

export const HubSettings = z.object({
  maxFrameBytes: bytes(8 * 1024 ** 2, 'largest message; a larger one closes its connection with 1009'),
  maxConnections: count(10_000, 'WebSocket connections in all'),
  maxConnectionsPerPrincipal: count(1024, 'WebSocket connections of one principal'),
  maxInFlight: count(1024, 'requests of one connection that may be in work; more are answered `overloaded`'),
  maxMessagesPerSecond: count(100_000, 'messages of one connection; a faster sender is read more slowly'),
  maxFaults: count(100, 'malformed frames of one connection before it is closed; forgiven one a second'),
  maxBufferedBytes: bytes(16 * 1024 ** 2, 'unread output of one connection before it is closed as too slow'),
  pingIntervalMs: ms(15_000, 'time between pings of a silent connection'),
  pongTimeoutMs: ms(10_000, 'a connection that stays silent this long after a ping is closed'),
  closeGraceMs: ms(2000, 'time a peer has to answer a close before its socket is cut'),
  headersTimeoutMs: ms(10_000, 'time to send the headers of a request'),
  idleTimeoutMs: ms(60_000, 'an HTTP connection that is silent this long is closed'),
  authenticationTimeoutMs: ms(10_000, 'time to check a token'),
  maxQueuedCommands: count(256, 'commands that wait for one disconnected agent'),
  maxQueuedBytes: bytes(4 * 1024 ** 2, 'size of the commands that wait for one disconnected agent'),
  minRedialBackoffMs: ms(500, 'shortest wait before an agent that listens is dialled again'),
  maxRedialBackoffMs: ms(30_000, 'longest wait before an agent that listens is dialled again'),
});
export type HubSettings = z.infer<typeof HubSettings>;

export function hubSettings(given: z.input<typeof HubSettings> = {}): HubSettings {
  return HubSettings.parse(given);
}

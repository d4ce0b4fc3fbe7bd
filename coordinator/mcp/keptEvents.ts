/**
 * The events of one session's streams, for a client that resumes one: the newest of them, bounded in number and size. All sessions share a bound
 * as well: beyond it, whoever adds an event lets go of older ones of its own.
 */
import type {EventStore, JSONRPCMessage} from '@modelcontextprotocol/server';

interface KeptEvent {
  readonly number: number;
  readonly stream: string;
  readonly message: JSONRPCMessage;
  readonly bytes: number;
}

export interface KeptEventLimits {
  readonly maxKeptEvents: number;
  readonly maxKeptEventBytes: number;
  readonly maxKeptEventBytesInAll: number;
}

/** What the events of all sessions have in common. */
export interface KeptBytes {
  bytes: number;
}

/** The SDK's name of the stream that belongs to no request. */
const STANDING_STREAM = '_GET_stream';

export class KeptEvents implements EventStore {
  /** Oldest first, numbers without a gap. */
  private readonly events: KeptEvent[] = [];
  private next = 1;
  private bytes = 0;

  constructor(
    private readonly limits: KeptEventLimits,
    private readonly all: KeptBytes,
  ) {}

  storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const number = this.next++;
    const bytes = JSON.stringify(message).length;
    this.events.push({number, stream, message, bytes});
    this.bytes += bytes;
    this.all.bytes += bytes;
    while (this.areTooMany()) this.dropOldest();
    return Promise.resolve(idOf({number, stream}));
  }

  /** Undefined where events behind this one are no longer here: a stream is resumed whole or not at all. */
  getStreamIdForEventId(id: string): Promise<string | undefined> {
    const {number, stream} = parseId(id);
    const oldest = this.events[0]?.number ?? this.next;
    const known = number >= oldest - 1 && number < this.next;
    return Promise.resolve(known ? stream : undefined);
  }

  async replayEventsAfter(
    id: string,
    {send}: {send: (id: string, message: JSONRPCMessage) => Promise<void>},
  ): Promise<string> {
    const {number, stream} = parseId(id);
    for (const event of [...this.events])
      if (event.number > number && event.stream === stream) await send(idOf(event), event.message);
    return stream;
  }

  /** The session has ended. */
  clear(): void {
    this.events.length = 0;
    this.all.bytes -= this.bytes;
    this.bytes = 0;
  }

  private areTooMany(): boolean {
    const {maxKeptEvents, maxKeptEventBytes, maxKeptEventBytesInAll} = this.limits;
    if (this.events.length === 0) return false;
    return (
      this.events.length > maxKeptEvents ||
      this.bytes > maxKeptEventBytes ||
      this.all.bytes > maxKeptEventBytesInAll
    );
  }

  private dropOldest(): void {
    const {bytes} = this.events.shift() ?? {bytes: 0};
    this.bytes -= bytes;
    this.all.bytes -= bytes;
  }
}

/** Whether the event is one of the stream that belongs to no request. */
export function isOfStandingStream(id: string): boolean {
  return parseId(id).stream === STANDING_STREAM;
}

function idOf({number, stream}: {number: number; stream: string}): string {
  return `${number}.${stream}`;
}

function parseId(id: string): {number: number; stream: string} {
  const [, number, stream] = /^(\d{1,15})\.(.+)$/.exec(id) ?? [];
  return number === undefined || stream === undefined
    ? {number: Number.NaN, stream: ''}
    : {number: Number(number), stream};
}

/**
 * The answer of an MCP server as a stream of events, passed on event by event. Where it breaks off before the answer itself has come, whoever asked is
 * told so at once: a client of MCP takes a stream that ends for a pause, and waits on. Pure.
 */
import * as z from 'zod';
import {parseJson} from '../runtime/json.ts';

const Request = z.looseObject({id: z.union([z.string(), z.number()]), method: z.string()});
const Answer = z.looseObject({id: z.union([z.string(), z.number()])});

/** Streams without an end of their own, which clients open anew. */
const STANDING: ReadonlySet<string> = new Set(['subscriptions/listen']);
const LOST_CODE = -32603;
const LOST =
  'the coordinator was lost in the middle of this call, which may have happened: it goes on at once, so call again, with the same key where there was one';
const SEPARATOR = /\r?\n\r?\n/g;

export class BrokenAnswer {
  /** Of an event that has not come to its end. */
  private rest = '';
  private last = '';
  private readonly decoder = new TextDecoder();

  /** `id`: of the request whose answer the stream ends with. */
  constructor(private readonly id: string | number) {}

  /** Undefined for what is not answered in the end, or not one request. */
  static of(body: Uint8Array): BrokenAnswer | undefined {
    const request = Request.safeParse(parseJson(new TextDecoder().decode(body)));
    if (!request.success || STANDING.has(request.data.method)) return undefined;
    return new BrokenAnswer(request.data.id);
  }

  /** The events that are complete with `chunk`. */
  take(chunk: Uint8Array): string {
    const added = this.decoder.decode(chunk, {stream: true});
    // A separator may be cut in two.
    const before = Math.max(0, this.rest.length - 3);
    const text = this.rest + added;
    SEPARATOR.lastIndex = before;
    let [start, end] = [0, 0];
    for (let found = SEPARATOR.exec(text); found; found = SEPARATOR.exec(text)) {
      start = end;
      end = SEPARATOR.lastIndex;
    }
    if (end > 0) this.last = text.slice(start, end);
    this.rest = text.slice(end);
    return text.slice(0, end);
  }

  /** When nothing more comes: an event in place of the answer, empty where that has come. */
  end(): string {
    const data = this.last
      .split(/\r?\n/)
      .flatMap(line => (line.startsWith('data:') ? [line.slice('data:'.length).trimStart()] : []));
    const answer = Answer.safeParse(parseJson(data.join('\n')));
    if (answer.success && answer.data.id === this.id) return '';
    const error = {jsonrpc: '2.0', id: this.id, error: {code: LOST_CODE, message: LOST}};
    return `event: message\ndata: ${JSON.stringify(error)}\n\n`;
  }
}

/** Answers of the MCP endpoint: faults as JSON-RPC errors, and what the SDK answers, written to Node's response with signs of life and a bound. */
import type {IncomingMessage, ServerResponse} from 'node:http';
import type {RequestId} from '@modelcontextprotocol/server';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';

export interface McpFault {
  readonly status: number;
  readonly message: string;
  /** Default: MCP's for a request that its transport refuses. */
  readonly code?: number;
  readonly id?: RequestId | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

const REFUSED_BY_TRANSPORT = -32000;

/** Answers, and hangs up where the body was not read. */
export function answerFault(request: IncomingMessage, response: ServerResponse, fault: McpFault): void {
  const {status, message, code = REFUSED_BY_TRANSPORT, id = null, headers} = fault;
  const body = JSON.stringify({jsonrpc: '2.0', error: {code, message}, id});
  response
    .writeHead(status, {
      'content-type': 'application/json',
      ...(!request.complete && {connection: 'close'}),
      ...headers,
    })
    .end(body);
}

/** A JSON-RPC message as the whole answer. */
export function answerWhole(
  response: ServerResponse,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(message),
      ...headers,
    })
    .end(message);
}

export interface AnswerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly keepAliveMs: number;
  readonly streamAfterMs: number;
  readonly maxBufferedBytes: number;
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** A stream that ends within this is one write: most calls do, and a write for each part of them is most of what they cost here. */
const GATHER_MS = 10;
const MAX_GATHERED_BYTES = 16 * 1024;

const SIGN_OF_LIFE = ': keepalive\n\n';

/**
 * Writes what the SDK answers. Where it takes its time, a stream is begun instead, whose client sees that the request is in work; the answer is
 * the stream's message then.
 */
export class Answer {
  private alive: Disposable | undefined;
  private gathered: Disposable | undefined;
  private cancelBody: (() => void) | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly options: AnswerOptions,
  ) {
    response.once('close', () => {
      this.alive?.dispose();
      this.gathered?.dispose();
      this.cancelBody?.();
    });
  }

  /** Resolves when the answer has been written, or the client has gone. */
  async write(answered: Promise<Response>, mayStream: boolean): Promise<void> {
    const {clock, streamAfterMs} = this.options;
    const slow = mayStream
      ? clock.schedule(streamAfterMs, () => this.beginStream({}), {background: true})
      : undefined;
    let answer: Response;
    try {
      answer = await answered;
    } finally {
      slow?.dispose();
    }
    if (this.gone) {
      await answer.body?.cancel();
      return;
    }
    if (answer.headers.get('content-type') === 'text/event-stream') await this.writeStream(answer);
    else await this.writeWhole(answer);
  }

  private get gone(): boolean {
    return this.response.destroyed || this.response.writableEnded;
  }

  private async writeWhole(answer: Response): Promise<void> {
    const {response} = this;
    const body = Buffer.from(await answer.arrayBuffer());
    if (this.gone) return;
    if (response.headersSent) {
      response.end(body.length > 0 ? `event: message\ndata: ${body.toString()}\n\n` : undefined);
      return;
    }
    const headers = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, {...headers, 'content-length': body.length}).end(body);
  }

  private async writeStream(answer: Response): Promise<void> {
    // A standing stream has no end to wait for.
    if (this.response.req.method === 'POST') this.gather();
    this.beginStream(Object.fromEntries(answer.headers));
    if (!answer.body) {
      this.response.end();
      return;
    }
    const reader = answer.body.getReader();
    this.cancelBody = () => void reader.cancel().catch(() => undefined);
    if (this.gone) this.cancelBody();
    for (;;) {
      const {done, value} = await reader.read();
      if (this.gone) return;
      if (done) break;
      this.writeChunk(value);
    }
    this.response.end();
  }

  private beginStream(headers: Readonly<Record<string, string>>): void {
    if (this.gone) return;
    const {response} = this;
    if (!response.headersSent) {
      response.writeHead(200, {...STREAM_HEADERS, ...headers});
      if (!this.gathered) response.flushHeaders();
    }
    this.stayAlive();
  }

  /** Until the stream ends, has lasted for a moment, or is large. */
  private gather(): void {
    if (this.gone || this.response.headersSent) return;
    this.response.cork();
    this.gathered = this.options.clock.schedule(GATHER_MS, () => this.release(), {background: true});
  }

  private release(): void {
    if (!this.gathered) return;
    this.gathered.dispose();
    this.gathered = undefined;
    this.response.flushHeaders();
    this.response.uncork();
  }

  private writeChunk(chunk: Uint8Array): void {
    const {response, options} = this;
    if (response.writableLength > options.maxBufferedBytes) {
      options.logger.warn('an MCP client reads its stream too slowly');
      response.destroy();
      return;
    }
    response.write(chunk);
    if (response.writableLength > MAX_GATHERED_BYTES) this.release();
    this.stayAlive();
  }

  private stayAlive(): void {
    const {clock, keepAliveMs} = this.options;
    this.alive?.dispose();
    if (this.gone) return;
    this.alive = clock.schedule(
      keepAliveMs,
      () => {
        // What waits unread is sign enough, and one that never reads is not buffered for.
        if (!this.gone && this.response.writableLength === 0) this.response.write(SIGN_OF_LIFE);
        this.stayAlive();
      },
      {background: true},
    );
  }
}

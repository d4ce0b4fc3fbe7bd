/** MCP over the pipes of a process: one JSON message a line. What else a server prints is passed over. */
import type {Writable} from 'node:stream';
import {
  type JSONRPCMessage,
  ReadBuffer,
  serializeMessage,
  type Transport,
} from '@modelcontextprotocol/client';
import {atMost, type Clock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {parseJson} from '../runtime/json.ts';
import {LineSplitter} from './lineSplitter.ts';
import type {LaunchRequest, ProcessLauncher, ServerProcess} from './serverProcess.ts';

const STDERR_TAIL = 2000;
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

export interface ProcessTransportOptions {
  readonly launcher: ProcessLauncher;
  readonly request: LaunchRequest;
  /** From the end of its input to SIGTERM, and from there to SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
}

/** `pid` and `stderr` are what the SDK tells a transport over pipes by. */
export class ProcessTransport implements Transport {
  onclose?: (() => void) | undefined;
  onerror?: ((error: Error) => void) | undefined;
  onmessage?: ((message: JSONRPCMessage) => void) | undefined;
  /** Looks at each message before anybody else does, and says whether it was for it. */
  intercept?: ((message: unknown) => boolean) | undefined;
  private server: ServerProcess | undefined;
  private readonly lines = new LineSplitter(MAX_MESSAGE_BYTES);
  private readonly buffer = new ReadBuffer({maxBufferSize: MAX_MESSAGE_BYTES});
  private tail = '';
  private how: string | undefined;
  private closing: Promise<void> | undefined;
  private closed = false;
  private gathering = false;

  constructor(private readonly options: ProcessTransportOptions) {}

  get pid(): number | null {
    return this.server?.pid ?? null;
  }

  /** The end of what it wrote there. */
  get stderr(): string {
    return this.tail.trim();
  }

  /** How the process ended by itself; undefined while it runs or when we ended it. */
  get ending(): string | undefined {
    if (this.how === undefined) return undefined;
    return this.stderr === '' ? this.how : `${this.how}; it said: ${this.stderr}`;
  }

  async start(): Promise<void> {
    const server = await this.options.launcher.launch(this.options.request);
    this.server = server;
    server.stdin.on('error', error => this.onerror?.(error));
    server.stdout.on('error', error => this.onerror?.(error));
    server.stdout.on('data', (chunk: Buffer) => this.receive(chunk));
    server.stderr.setEncoding('utf8');
    server.stderr.on('error', () => undefined);
    server.stderr.on('data', (text: string) => {
      this.tail = (this.tail + text).slice(-STDERR_TAIL);
    });
    void server.ended.then(async how => {
      // Its last words may still be in the pipes, which children of its own may keep open.
      await atMost(this.options.clock, 50, ended(server));
      if (!this.closing) this.how = how;
      this.told();
      // It may have left children.
      await this.close();
    });
    if (this.closing) await this.close();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const stdin = this.server?.stdin;
    if (!stdin?.writable) throw new CoordinatorError('closed', 'the process has ended');
    this.gather(stdin);
    if (!stdin.write(serializeMessage(message)))
      await new Promise<void>(resolve => {
        const done = (): void => {
          stdin.off('drain', done);
          stdin.off('close', done);
          resolve();
        };
        stdin.once('drain', done);
        stdin.once('close', done);
      });
  }

  /** What is sent in one turn of the event loop is one write, whichever clients it is for. */
  private gather(stdin: Writable): void {
    if (this.gathering) return;
    this.gathering = true;
    stdin.cork();
    setImmediate(() => {
      this.gathering = false;
      stdin.uncork();
    });
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    const {server} = this;
    const {clock, graceMs} = this.options;
    if (server) {
      server.stdin.end();
      await atMost(clock, graceMs, server.ended);
      await server.end(graceMs);
    }
    this.told();
  }

  private told(): void {
    if (this.closed) return;
    this.closed = true;
    this.lines.clear();
    this.buffer.clear();
    this.onclose?.();
  }

  private receive(chunk: Buffer): void {
    let lines: Buffer[];
    try {
      lines = this.lines.split(chunk);
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      void this.close();
      return;
    }
    for (const line of lines) if (!this.intercept?.(parseJson(line.toString()))) this.read(line);
  }

  private read(line: Buffer): void {
    this.buffer.append(line);
    for (;;) {
      try {
        const message = this.buffer.readMessage();
        if (message === null) return;
        this.onmessage?.(message);
      } catch (error) {
        this.onerror?.(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }
}

function ended({stdout, stderr}: ServerProcess): Promise<unknown> {
  return Promise.all(
    [stdout, stderr].map(stream =>
      stream.readableEnded || stream.destroyed
        ? undefined
        : new Promise<void>(resolve => stream.once('close', () => resolve())),
    ),
  );
}

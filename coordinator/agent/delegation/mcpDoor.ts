/**
 * Where a Claude Code of this machine reaches the hub's tools: an MCP server on loopback with a token of its own, which passes what it is asked to whichever
 * coordinator we are connected to now, with the token that opens that. So the latter, the authority behind TLS and the other coordinators of a
 * cluster are our business alone. What a tool may do is decided by the hub.
 */
import * as http from 'node:http';
import {passToHub} from '../../client/passToHub.ts';
import type {Logger} from '../../observability/logger.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {describeError, systemErrorCode} from '../../runtime/errors.ts';
import {closeServer, listenOnLoopback} from '../../runtime/listen.ts';
import type {Random} from '../../runtime/random.ts';
import type {McpEndpoint} from '../driver.ts';

export interface McpDoorOptions {
  /** The coordinator to ask, read for every request: `ws(s)://host:port`, and PEM of the only authority to trust there. */
  readonly hub: () => {readonly url: string; readonly ca: string | undefined};
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How long a coordinator that is not there is waited for: it is started again, or another one takes over. */
  readonly patienceMs?: number | undefined;
}

interface Guest {
  readonly name: string;
  readonly askToken: () => Promise<string>;
  /** Asked for with the first request, and again where that failed. */
  token: Promise<string> | undefined;
}

/** By which Claude Code calls it: its tools are `mcp__mcpx__...`. */
export const HUB_SERVER = 'mcpx';
const PATH = '/mcp';
const PATIENCE_MS = 20_000;
const RETRY_MS = 250;
/** More than any hub takes. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

export class McpDoor {
  /** By the token that Claude Code shows. */
  private readonly guests = new Map<string, Guest>();
  private readonly server: http.Server;
  private opening: Promise<number> | undefined;

  constructor(private readonly options: McpDoorOptions) {
    this.server = http.createServer((request, response) => void this.serve(request, response));
  }

  /** What Claude Code is told of it, as an HTTP server of MCP. The door opens with the first guest; `token` is what the hub wants to see of this one. */
  async admit(name: string, token: () => Promise<string>): Promise<McpEndpoint> {
    this.opening ??= listenOnLoopback(this.server);
    const port = await this.opening;
    this.dismiss(name);
    const own = this.options.random.hex(32);
    this.guests.set(own, {name, askToken: token, token: undefined});
    return {url: `http://127.0.0.1:${port}${PATH}`, headers: {authorization: `Bearer ${own}`}};
  }

  dismiss(name: string): void {
    for (const [token, guest] of this.guests) if (guest.name === name) this.guests.delete(token);
  }

  async close(): Promise<void> {
    this.guests.clear();
    await closeServer(this.server);
  }

  private async serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const own = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const guest = this.guests.get(own);
    // A page of a browser on this machine has no business here, whatever it knows.
    if (!guest || request.headers.origin !== undefined)
      return refuse(response, 401, 'this token is of nobody who works here any more');
    if (request.url?.split('?', 1)[0] !== PATH) return refuse(response, 404, 'nothing here');
    try {
      const body = await readBody(request);
      if (!body) return refuse(response, 413, `a request has at most ${MAX_BODY_BYTES} bytes`);
      await this.pass(guest, request, response, body);
    } catch (error) {
      if (response.headersSent || response.destroyed) response.destroy();
      else if (isProtocolError(error, 'staleFence')) refuse(response, 403, error.message);
      else {
        this.options.logger.warn('the hub did not answer', {guest: guest.name, error});
        refuse(response, 503, `the coordinator is not reached: ${describeError(error)}; try again`);
      }
    }
  }

  /** Where nobody listens nothing has been asked: it is asked again. */
  private async pass(
    guest: Guest,
    request: http.IncomingMessage,
    response: http.ServerResponse,
    body: Uint8Array,
  ): Promise<void> {
    const {clock, hub, patienceMs = PATIENCE_MS} = this.options;
    const until = clock.now() + patienceMs;
    for (;;) {
      const token = await this.tokenOf(guest);
      const {url, ca} = hub();
      const {origin} = new URL(url.replace(/^ws/, 'http'));
      try {
        return await passToHub(request, response, {url: new URL(PATH, origin), token, ca}, {body});
      } catch (error) {
        const isAway = systemErrorCode(error) === 'ECONNREFUSED' && !response.destroyed;
        if (!isAway || clock.now() >= until) throw error;
        await delay(clock, RETRY_MS);
      }
    }
  }

  private tokenOf(guest: Guest): Promise<string> {
    guest.token ??= guest.askToken().catch((error: unknown) => {
      guest.token = undefined;
      throw error;
    });
    return guest.token;
  }
}

/** Undefined when it passes the limit. */
async function readBody(request: http.IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function refuse(response: http.ServerResponse, status: number, message: string): void {
  response.writeHead(status, {'content-type': 'application/json'});
  response.end(JSON.stringify({error: {message}}));
}

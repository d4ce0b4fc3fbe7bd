/** One HTTP exchange with a coordinator's artifact routes. Which exchanges to make, and when to try again, is artifactClient.ts. */
import * as http from 'node:http';
import * as https from 'node:https';
import type {Readable} from 'node:stream';
import type {Disposable} from '../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../runtime/errors.ts';

/** Where to send, and as whom. Read for every request, so that a fail-over or a renewed token is followed at once. */
export interface ArtifactEndpoint {
  /** Such as `https://hub.example:7443`, without a path. */
  readonly baseUrl: string;
  readonly tenant: string;
  readonly token?: string | undefined;
  /** PEM of the only authority that is trusted; the system's authorities where absent. */
  readonly ca?: string | undefined;
  /** Default: `ARTIFACTS`. */
  readonly prefix?: string | undefined;
}

/** What everybody asks a coordinator for; other coordinators ask below a prefix of their own. */
export const ARTIFACTS = '/artifacts/';

export interface ArtifactExchange {
  readonly method: 'GET' | 'HEAD' | 'PUT';
  readonly sha256: string;
  readonly query?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: Uint8Array | Readable;
  readonly signal?: AbortSignal | undefined;
}

const MAX_ANSWER_BYTES = 64 * 1024;

export class ArtifactTransport implements Disposable {
  private agent: {readonly key: string; readonly agent: http.Agent} | undefined;

  constructor(
    private readonly endpoint: () => ArtifactEndpoint,
    /** A connection silent for this long is given up. */
    private readonly idleTimeoutMs: number,
  ) {}

  /** The response with its body unread. Broken connections are `unavailable`; an abort is the signal's reason. */
  async send(exchange: ArtifactExchange): Promise<http.IncomingMessage> {
    exchange.signal?.throwIfAborted();
    const {baseUrl, tenant, token, ca, prefix = ARTIFACTS} = this.endpoint();
    const secure = baseUrl.startsWith('https:');
    const url = new URL(`${prefix}${tenant}/${exchange.sha256}${exchange.query ?? ''}`, baseUrl);
    const options: https.RequestOptions = {
      method: exchange.method,
      agent: this.agentFor(baseUrl, ca),
      headers: {...exchange.headers, ...(token === undefined ? {} : {authorization: `Bearer ${token}`})},
      ...(exchange.signal ? {signal: exchange.signal} : {}),
    };
    try {
      return await this.exchange(
        secure ? https.request(url, options) : http.request(url, options),
        exchange.body,
      );
    } catch (error) {
      exchange.signal?.throwIfAborted();
      throw unreachable(url.host, error);
    }
  }

  /** The JSON of a small answer. */
  async json(response: http.IncomingMessage): Promise<unknown> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
        chunks.push(chunk);
      }
      return JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch (error) {
      throw unreachable(new URL(this.endpoint().baseUrl).host, error);
    }
  }

  /** Breaks off what is under way with another endpoint than the present one. */
  follow(): void {
    const {baseUrl, ca} = this.endpoint();
    if (this.agent && this.agent.key !== keyOf(baseUrl, ca)) this.dispose();
  }

  dispose(): void {
    this.agent?.agent.destroy();
    this.agent = undefined;
  }

  private exchange(
    request: http.ClientRequest,
    body: Uint8Array | Readable | undefined,
  ): Promise<http.IncomingMessage> {
    return new Promise((resolve, reject) => {
      let answered = false;
      request.setTimeout(this.idleTimeoutMs, () => request.destroy(new Error('the connection went silent')));
      request.on('error', error => {
        // After the answer, a fault belongs to the response's stream, which reports it.
        if (!answered) reject(error);
        if (body && !(body instanceof Uint8Array)) body.destroy();
      });
      request.on('response', response => {
        answered = true;
        // An answer ahead of the body's end is a refusal: the rest need not be sent.
        if (body && !(body instanceof Uint8Array)) body.destroy();
        resolve(response);
      });
      if (!body || body instanceof Uint8Array) {
        request.end(body);
        return;
      }
      body.on('error', error => request.destroy(error));
      body.pipe(request);
    });
  }

  private agentFor(baseUrl: string, ca: string | undefined): http.Agent {
    const key = keyOf(baseUrl, ca);
    if (this.agent?.key === key) return this.agent.agent;
    this.dispose();
    const limits = {keepAlive: true, maxSockets: 8};
    const agent = baseUrl.startsWith('https:')
      ? new https.Agent({...limits, ...(ca === undefined ? {} : {ca})})
      : new http.Agent(limits);
    this.agent = {key, agent};
    return agent;
  }
}

function keyOf(baseUrl: string, ca: string | undefined): string {
  return `${baseUrl} ${ca ?? ''}`;
}

function unreachable(host: string, cause: unknown): CoordinatorError {
  return new CoordinatorError(
    'unavailable',
    `artifact transfer with ${host} broke off: ${describeError(cause)}`,
    {
      cause,
    },
  );
}

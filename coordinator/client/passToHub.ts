/** A request to a door of ours, passed on to the MCP server of a hub as it is, and the answer back as it comes; only who asks is another. */
import {once} from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import {pipeline} from 'node:stream/promises';
import {BrokenAnswer} from './brokenAnswer.ts';

export interface HubAddress {
  /** `http(s)`, with the path. */
  readonly url: URL;
  readonly token: string | undefined;
  /** PEM of the only authority that is trusted; undefined: the system's. */
  readonly ca: string | undefined;
}

/** Of requests and answers: what is about one connection, or ours to say. */
const NOT_PASSED: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface Passed {
  /** Of a request whose body was read already. */
  readonly body?: Uint8Array;
}

/** Resolves when the answer has been passed back. Rejects when the hub is not reached, or an end went away; then nothing may have been answered yet. */
export async function passToHub(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  {url, token, ca}: HubAddress,
  {body}: Passed = {},
): Promise<void> {
  const sent = (url.protocol === 'https:' ? https : http).request(url, {
    method: request.method,
    headers: {
      ...passed(request.headers),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
    },
    ...(ca === undefined ? {} : {ca}),
  });
  // Who stops listening wants no answer.
  const stop = (): void => void sent.destroy();
  response.once('close', stop);
  // What fails after the answer has begun ends the answer itself.
  sent.on('error', () => undefined);
  // An answer may come before all was sent.
  if (body) sent.end(body);
  else request.pipe(sent);
  let answer: http.IncomingMessage;
  try {
    [answer] = (await once(sent, 'response')) as [http.IncomingMessage];
  } catch (error) {
    response.off('close', stop);
    throw error;
  }
  response.writeHead(answer.statusCode ?? 502, passed(answer.headers));
  // The head of a stream is an answer too.
  response.flushHeaders();
  const broken = body && isStream(answer) ? BrokenAnswer.of(body) : undefined;
  await pipeline(broken ? eventsOf(answer, broken) : answer, response);
}

function isStream({headers}: http.IncomingMessage): boolean {
  return headers['content-type']?.startsWith('text/event-stream') ?? false;
}

async function* eventsOf(answer: http.IncomingMessage, broken: BrokenAnswer): AsyncGenerator<string> {
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const events = broken.take(chunk);
      if (events !== '') yield events;
    }
  } catch {
    // Cut off: what follows says so.
  }
  const last = broken.end();
  if (last !== '') yield last;
}

function passed(headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !NOT_PASSED.has(name)));
}

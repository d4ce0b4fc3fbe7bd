/** A Messages API on loopback that plays a script, so that the unmodified Claude Code runs a whole plan without a model. */
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import {type JsonValue, parseJson} from '../../runtime/json.ts';
import {listenOnLoopback} from '../../runtime/listen.ts';
import {type Answer, answerOf} from './answer.ts';
import type {AttemptMarker} from './attemptMarker.ts';
import {MessagesRequest, readConversation, workingDirectoryOf} from './conversation.ts';
import {type NextTurn, nextTurn, RESULT_TOOL, type Scene} from './play.ts';
import type {RehearsalScript, Turn} from './script.ts';

export interface RehearsalOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly script: RehearsalScript;
  /** Default: any free port. */
  readonly port?: number | undefined;
  /** Keeps the request bodies in the log; they are large. */
  readonly keepBodies?: boolean | undefined;
}

export interface RehearsalRequest {
  /** Wall time in ms. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly taskId?: string | undefined;
  readonly attempt?: number | undefined;
  readonly isSubagent?: boolean | undefined;
  /** How many answers the conversation held. */
  readonly step?: number | undefined;
  readonly model?: string | undefined;
  readonly body?: MessagesRequest | undefined;
}

export interface RehearsalServer {
  readonly url: string;
  /** To be laid over an attempt's environment from which the real credentials were taken (`withoutModelAccess`). */
  readonly env: Readonly<Record<string, string>>;
  /** The newest requests, oldest first. */
  readonly requests: readonly RehearsalRequest[];
  stop(): Promise<void>;
}

const MAX_BODY_BYTES = 64 * 1024 * 1024;
const MAX_LOGGED = 1000;
const MAX_SESSIONS = 10_000;
const PING_EVERY_MS = 1000;
const CHARACTERS_PER_TOKEN = 4;

export async function startRehearsalServer(options: RehearsalOptions): Promise<RehearsalServer> {
  const stage = new Stage(options);
  const server = createServer((request, response) => {
    stage.serve(request, response).catch((error: unknown) => {
      options.logger.error('a rehearsal request failed', {error: describeError(error)});
      if (!response.headersSent) sendError(response, 500, 'api_error', describeError(error));
      else response.destroy();
    });
  });
  const url = `http://127.0.0.1:${await listenOnLoopback(server, options.port)}`;
  return {
    url,
    env: {
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'rehearsal',
      DISABLE_TELEMETRY: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_ERROR_REPORTING: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    },
    requests: stage.requests,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

class Stage {
  readonly requests: RehearsalRequest[] = [];
  /** Claude Code's session -> the attempt it works for: subagents share the session but not the system prompt. */
  private readonly sessions = new Map<string, AttemptMarker>();
  /** How often a scripted error was already given. */
  private readonly failures = new Map<string, number>();
  private ids = 0;

  constructor(private readonly options: RehearsalOptions) {}

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const raw = await readBody(request);
    const note = (status: number, more: Partial<RehearsalRequest> = {}): void =>
      this.note({at: this.options.clock.wallNow(), method: request.method ?? '', path, status, ...more});
    if (raw === undefined) {
      note(413);
      sendError(response, 413, 'request_too_large', 'the request is too large');
    } else if (request.method === 'HEAD' || path === '/') {
      note(200);
      response.writeHead(200).end();
    } else if (request.method !== 'POST' || !path.startsWith('/v1/messages')) {
      note(404);
      sendError(response, 404, 'not_found_error', `not part of a rehearsal: ${path}`);
    } else if (!request.headers['x-api-key'] && !request.headers['authorization']) {
      note(401);
      sendError(response, 401, 'authentication_error', 'x-api-key header is required');
    } else if (path === '/v1/messages/count_tokens') {
      note(200);
      sendJson(response, 200, {input_tokens: tokensOf(raw)});
    } else {
      const parsed = MessagesRequest.safeParse(parseJson(raw));
      if (parsed.success) await this.answer(request, response, parsed.data, raw);
      else {
        note(400);
        sendError(response, 400, 'invalid_request_error', z.prettifyError(parsed.error));
      }
    }
  }

  private async answer(
    request: IncomingMessage,
    response: ServerResponse,
    body: MessagesRequest,
    raw: string,
  ): Promise<void> {
    const scene = this.sceneOf(request, body);
    const next = nextTurn(this.options.script, scene, readConversation(body));
    const error = this.dueError(next, scene, headerOf(request, 'x-claude-code-session-id'));
    this.note({
      at: this.options.clock.wallNow(),
      method: 'POST',
      path: '/v1/messages',
      status: error?.status ?? 200,
      taskId: scene.taskId,
      attempt: scene.attempt,
      isSubagent: scene.isSubagent,
      step: next.step,
      model: body.model,
      ...(this.options.keepBodies ? {body} : {}),
    });
    if (error) {
      sendScriptedError(response, error);
      return;
    }
    const id = ++this.ids;
    const answer = answerOf(next.turn, body.model, tokensOf(raw), {
      message: `msg_rehearsal_${id}`,
      tool: index => `toolu_rehearsal_${id}_${index}`,
    });
    if (body.stream) await this.stream(response, answer, next.turn);
    else {
      if (next.turn.hangMs) await delay(this.options.clock, next.turn.hangMs);
      sendJson(response, 200, answer.message);
    }
  }

  private sceneOf(request: IncomingMessage, body: MessagesRequest): Scene {
    const session = headerOf(request, 'x-claude-code-session-id') ?? '';
    const isSubagent = headerOf(request, 'x-claude-code-agent-id') !== undefined;
    const own = readConversation(body).marker;
    if (own && session !== '') this.remember(session, own);
    const marker = own ?? this.sessions.get(session);
    const resultTool = body.tools?.find(tool => tool.name === RESULT_TOOL);
    return {
      taskId: marker?.taskId,
      attempt: marker?.attempt ?? 1,
      worktree: marker?.worktree ?? workingDirectoryOf(body) ?? '',
      session: marker?.session,
      isSubagent,
      resultSchema: resultTool?.input_schema,
    };
  }

  private remember(session: string, marker: AttemptMarker): void {
    this.sessions.set(session, marker);
    const [oldest] = this.sessions.keys();
    if (this.sessions.size > MAX_SESSIONS && oldest !== undefined) this.sessions.delete(oldest);
  }

  private dueError({turn, step}: NextTurn, scene: Scene, session = ''): Turn['error'] {
    const {error} = turn;
    if (error?.times === undefined) return error;
    const key = JSON.stringify([session, scene.taskId, scene.attempt, scene.isSubagent, step]);
    const given = this.failures.get(key) ?? 0;
    if (given >= error.times) return undefined;
    this.failures.set(key, given + 1);
    return error;
  }

  private async stream(response: ServerResponse, {events}: Answer, turn: Turn): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'request-id': `req_rehearsal_${this.ids}`,
    });
    try {
      await this.keepAlive(response, turn.hangMs ?? 0, gone.signal);
      for (const {type, data, afterMs} of events) {
        if (afterMs > 0) await delay(this.options.clock, afterMs, gone.signal);
        response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
      }
      response.end();
    } catch (error) {
      // The client went away, as it does when a turn is interrupted.
      if (!gone.signal.aborted) throw error;
    }
  }

  private async keepAlive(response: ServerResponse, forMs: number, signal: AbortSignal): Promise<void> {
    for (let left = forMs; left > 0; left -= PING_EVERY_MS) {
      response.write('event: ping\ndata: {"type":"ping"}\n\n');
      await delay(this.options.clock, Math.min(left, PING_EVERY_MS), signal);
    }
  }

  private note(request: RehearsalRequest): void {
    this.requests.push(request);
    if (this.requests.length > MAX_LOGGED) this.requests.shift();
  }
}

/** `undefined` when the body passes the limit. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function tokensOf(raw: string): number {
  return Math.ceil(raw.length / CHARACTERS_PER_TOKEN);
}

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

function sendScriptedError(response: ServerResponse, error: NonNullable<Turn['error']>): void {
  const headers: Record<string, string> =
    error.retryAfterSeconds === undefined ? {} : {'retry-after': String(error.retryAfterSeconds)};
  const type = ERROR_TYPES[error.status] ?? 'api_error';
  sendError(response, error.status, type, error.message ?? `scripted error ${error.status}`, headers);
}

function sendError(
  response: ServerResponse,
  status: number,
  type: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendJson(response, status, {type: 'error', error: {type, message}}, headers);
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonValue,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {'content-type': 'application/json', ...headers});
  response.end(JSON.stringify(body));
}

/**
 * The hub as an MCP server over HTTP: which era a request is of, and what it is answered where it is of none. Host, origin and token have been
 * checked by then.
 */
import type {IncomingMessage, ServerResponse} from 'node:http';
import {
  type CallToolResult,
  classifyInboundRequest,
  isInitializeRequest,
  PROTOCOL_VERSION_META_KEY,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server';
import {MCP_PATH} from '../hub/doorkeeper.ts';
import {pathOf, type Route} from '../hub/httpFront.ts';
import {ERROR_CODES} from '../protocol/errors.ts';
import type {Clock} from '../runtime/clock.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {Random} from '../runtime/random.ts';
import type {Principal} from '../security/principal.ts';
import {Answer, answerFault, answerWhole, type McpFault, STREAM_HEADERS} from './answer.ts';
import type {BegunCall} from './begunCall.ts';
import type {LegacySession} from './legacySession.ts';
import {LegacySessions} from './legacySessions.ts';
import {isListen, ModernClients} from './modernClients.ts';
import {readBody} from './requestBody.ts';
import type {SurfaceServerOptions} from './surfaceServer.ts';
import {header, webRequest} from './webRequest.ts';

export interface McpEndpointOptions extends SurfaceServerOptions {
  readonly clock: Clock;
  readonly random: Random;
}

const SESSION_HEADER = 'mcp-session-id';

/** As the SDK says it, for clients that look at the code. */
const NO_SUCH_SESSION: McpFault = {
  status: 404,
  code: -32001,
  message: 'there is no such session here, or no longer: initialize a new one',
};

export class McpEndpoint implements Disposable {
  private readonly sessions: LegacySessions;
  private readonly modern: ModernClients;
  private draining = false;

  constructor(private readonly options: McpEndpointOptions) {
    this.sessions = new LegacySessions(options);
    this.modern = new ModernClients(options);
  }

  /** For the hub. */
  readonly route: Route = async (request, response, principal) => {
    if (pathOf(request) !== MCP_PATH) return false;
    const fault = await this.serve(request, response, principal);
    if (fault) answerFault(request, response, fault);
    return true;
  };

  /** What is open at the moment. */
  get counts() {
    return {
      sessions: this.sessions.size,
      keptEventBytes: this.sessions.keptEventBytes,
      modernClients: this.modern.size,
      listens: this.modern.openListens,
      inWork: this.options.admission.inWork,
    };
  }

  /** Clients that are there, as far as that can be seen: those without sessions only while they listen. */
  get clientCount(): number {
    return this.sessions.size + this.modern.openListens;
  }

  /** Ends what would stay open for ever, and takes nothing new. Requests in work go on. */
  drain(): void {
    this.draining = true;
    this.sessions.closeStandingStreams();
    this.modern.endListens(() => true);
  }

  /** Lets go of such principals' clients: their token was revoked. */
  disconnect(matches: (principal: Principal) => boolean): void {
    this.sessions.disconnect(matches);
    this.modern.endListens(matches);
  }

  dispose(): void {
    this.draining = true;
    this.sessions.dispose();
    this.modern.dispose();
  }

  private async serve(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<McpFault | undefined> {
    if (this.draining) return {status: 503, message: 'this coordinator is shutting down'};
    if (principal.role === 'peer')
      return {status: 403, message: 'another coordinator has nothing to ask here'};
    switch (request.method) {
      case 'POST':
        return this.post(request, response, principal);
      case 'GET':
      case 'DELETE':
        return this.sessionRequest(request, response, principal);
      default:
        return {status: 405, message: 'use POST, GET or DELETE', headers: {allow: 'GET, POST, DELETE'}};
    }
  }

  private async post(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<McpFault | undefined> {
    const body = await readBody(request, this.options.settings.maxBodyBytes);
    if (body.kind === 'fault') return body;
    if (isLegacy(request, body.value)) return this.legacyPost(request, response, principal, body.value);
    await this.modernPost(request, response, principal, body.value);
    return undefined;
  }

  private async modernPost(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    body: unknown,
  ): Promise<void> {
    if (isListen(body)) {
      const answered = this.modern.listen(asWebRequest(request, response), body, principal);
      this.unawaited(request, response, this.answer(response).write(answered, false));
      return;
    }
    const activity = this.modern.activityOf(principal);
    activity.begin();
    let begun: BegunCall | undefined;
    try {
      begun = this.beginsCalls ? await this.modern.begin(request, body, principal) : undefined;
      if (begun) {
        const call = begun;
        whenGone(response, () => call.stop());
        if (await this.answersSoon(call, response, result => this.modern.answerTo(call, result))) return;
      }
      const answered = this.modern.serve(asWebRequest(request, response), body, principal, begun);
      await this.answer(response).write(answered, true);
    } finally {
      if (begun?.isAttended === false) begun.stop();
      activity.end();
    }
  }

  private async legacyPost(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
    body: unknown,
  ): Promise<McpFault | undefined> {
    const id = header(request, SESSION_HEADER);
    const session = id === undefined ? undefined : this.sessions.find(id, principal);
    if (id !== undefined && !session) return NO_SUCH_SESSION;
    if (Array.isArray(body) && !session?.takesBatches)
      return {
        status: 400,
        code: ProtocolErrorCode.InvalidRequest,
        message: 'a body is one message, not a batch of them',
      };
    if (session) {
      const begun = this.beginsCalls ? session.begin(request, body) : undefined;
      if (begun) await this.begunInSession(session, begun, request, response, body);
      else await this.inSession(session, request, response, body);
      return undefined;
    }
    if (!isInitializeRequest(body))
      return {status: 400, message: `send ${SESSION_HEADER}, or initialize a session`};
    const begun = await this.sessions.begin(principal, body.params.capabilities);
    if (!begun)
      return {
        status: 429,
        code: ERROR_CODES.overloaded,
        message: 'there are too many sessions, and all of them are in use: end one by DELETE',
      };
    await this.inSession(begun, request, response, body);
    if (!begun.isInitialized) this.sessions.end(begun);
    return undefined;
  }

  private async sessionRequest(
    request: IncomingMessage,
    response: ServerResponse,
    principal: Principal,
  ): Promise<McpFault | undefined> {
    const id = header(request, SESSION_HEADER);
    if (id === undefined) return {status: 400, message: `the header ${SESSION_HEADER} is missing`};
    const session = this.sessions.find(id, principal);
    if (!session) return NO_SUCH_SESSION;
    if (request.method === 'GET')
      this.unawaited(request, response, this.inSession(session, request, response));
    else await this.inSession(session, request, response);
    return undefined;
  }

  private async begunInSession(
    session: LegacySession,
    begun: BegunCall,
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    session.activity.begin();
    try {
      const headers = {[SESSION_HEADER]: session.id};
      const answered = await this.answersSoon(begun, response, result => messageOf(begun, result), headers);
      session.leave(begun, !answered);
      if (!answered) await this.inSession(session, request, response, body);
    } finally {
      if (!begun.isAttended) begun.stop();
      session.activity.end();
    }
  }

  /** False: it takes longer than that, or takes more than that, and is for the SDK. */
  private async answersSoon(
    begun: BegunCall,
    response: ServerResponse,
    encode: (result: CallToolResult) => string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const result = await begun.soon(this.options.settings.soonMs);
    if (!result && !begun.isStopped) return false;
    if (response.destroyed) return true;
    if (result) answerWhole(response, encode(result), headers);
    // What is cancelled has no answer.
    else response.writeHead(200, STREAM_HEADERS).end();
    return true;
  }

  private get beginsCalls(): boolean {
    return this.options.settings.soonMs > 0;
  }

  private async inSession(
    session: LegacySession,
    request: IncomingMessage,
    response: ServerResponse,
    body?: unknown,
  ): Promise<void> {
    session.activity.begin();
    try {
      await this.answer(response).write(session.handle(webRequest(request), body), false);
    } finally {
      session.activity.end();
    }
  }

  /** For streams that stay open: they do not count as requests in work, nobody waits for their end. */
  private unawaited(request: IncomingMessage, response: ServerResponse, stream: Promise<void>): void {
    stream.catch((error: unknown) => {
      this.options.logger.error('a stream of an MCP client failed', {error});
      if (response.headersSent) response.destroy();
      else
        answerFault(request, response, {
          status: 500,
          code: ProtocolErrorCode.InternalError,
          message: 'internal error',
        });
    });
  }

  private answer(response: ServerResponse): Answer {
    const {clock, logger, settings} = this.options;
    return new Answer(response, {clock, logger, ...settings});
  }
}

function asWebRequest(request: IncomingMessage, response: ServerResponse): Request {
  const gone = new AbortController();
  whenGone(response, () => gone.abort());
  return webRequest(request, gone.signal);
}

function whenGone(response: ServerResponse, then: () => void): void {
  if (response.destroyed) {
    then();
    return;
  }
  response.once('close', () => {
    if (!response.writableFinished) then();
  });
}

/** As the SDK answers in the older era. */
function messageOf({plain}: BegunCall, result: CallToolResult): string {
  return JSON.stringify({result, jsonrpc: '2.0', id: plain.id});
}

/** The SDK's own decision, which it makes once more where this is modern: not asked about the plain case, that of every request in work. */
function isLegacy(request: IncomingMessage, body: unknown): boolean {
  if (claimsRevision(body)) return false;
  const outcome = classifyInboundRequest({
    httpMethod: 'POST',
    protocolVersionHeader: header(request, 'mcp-protocol-version'),
    mcpMethodHeader: header(request, 'mcp-method'),
    mcpNameHeader: header(request, 'mcp-name'),
    body,
  });
  return outcome.kind === 'legacy';
}

function claimsRevision(body: unknown): boolean {
  if (body === null || typeof body !== 'object' || !('params' in body)) return false;
  const {method, params} = body as {method?: unknown; params?: {_meta?: Record<string, unknown>}};
  return method !== 'initialize' && params?._meta?.[PROTOCOL_VERSION_META_KEY] !== undefined;
}

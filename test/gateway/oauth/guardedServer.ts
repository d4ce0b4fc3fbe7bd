/** An MCP server behind a small authorization server of its own, on loopback: tokens that end and are rotated, clients that register, and a person who agrees. */
import {createHash, createPublicKey, randomUUID, verify} from 'node:crypto';
import {once} from 'node:events';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {text} from 'node:stream/consumers';
import {createMcpHandler, McpServer} from '@modelcontextprotocol/server';

export interface GuardedOptions {
  /** Of clients that need no registration, by id. */
  readonly clients?: Readonly<Record<string, {secret?: string; publicKey?: string}>>;
  /** Whether its tokens are renewed. Default: true. */
  readonly renewable?: boolean;
  /** Which tokens it revokes. Default: all. */
  readonly revokes?: 'all' | 'refresh' | 'none';
}

interface Grant {
  readonly clientId: string;
  readonly scope: string;
  readonly family: string;
}

interface Code extends Grant {
  readonly challenge: string;
  readonly redirectUri: string;
}

export class GuardedServer {
  readonly registered: Record<string, unknown>[] = [];
  /** Grant types of token requests, and how their clients were known. */
  readonly asked: string[] = [];
  /** All that was ever given out. */
  readonly secrets: string[] = [];
  /** Renewals wait for this. */
  gate: Promise<void> = Promise.resolve();
  /** Renewed tokens are handed out after this. */
  handOut: Promise<void> = Promise.resolve();
  /** What answers a token request instead. */
  tokenFault: number | undefined;
  /** What answers a request to revoke instead. */
  revokeFault: number | undefined;
  /** Kinds of tokens that were to be revoked, and how their clients were known. */
  readonly askedToRevoke: string[] = [];
  renewals = 0;
  private readonly http = createServer((request, response) => {
    void this.answer(request, response).catch(error => {
      response.writeHead(500).end(String(error));
    });
  });
  private readonly mcp = createMcpHandler(() => tools());
  private readonly codes = new Map<string, Code>();
  private readonly access = new Map<string, Grant>();
  private readonly refresh = new Map<string, Grant>();
  private readonly spent = new Map<string, Grant>();
  private readonly secretsOf = new Map<string, string>();

  private constructor(private readonly options: GuardedOptions) {}

  static async start(options: GuardedOptions = {}): Promise<GuardedServer> {
    const server = new GuardedServer(options);
    server.http.listen(0, '127.0.0.1');
    await once(server.http, 'listening');
    return server;
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  get url(): string {
    return `${this.issuer}/mcp`;
  }

  /** Access tokens are good no longer. */
  expire(): void {
    this.access.clear();
  }

  /** Nor are those that renew them. */
  revoke(): void {
    this.expire();
    this.refresh.clear();
  }

  /** Those that open the door, and those that renew them. */
  get good(): {readonly access: number; readonly refresh: number} {
    return {access: this.access.size, refresh: this.refresh.size};
  }

  async stop(): Promise<void> {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.issuer);
    const body = await text(request);
    const json = (status: number, value: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(status, {'content-type': 'application/json', ...headers}).end(JSON.stringify(value));
    };
    switch (url.pathname) {
      case '/.well-known/oauth-protected-resource/mcp':
        return json(200, {
          resource: this.url,
          authorization_servers: [this.issuer],
          scopes_supported: ['read'],
        });
      case '/.well-known/oauth-authorization-server':
        return json(200, this.metadata());
      case '/register':
        return json(201, this.register(JSON.parse(body)));
      case '/authorize':
        response.writeHead(302, {location: this.agree(url.searchParams)}).end();
        return;
      case '/token': {
        const {status, value} = await this.token(request, new URLSearchParams(body));
        return json(status, value);
      }
      case '/revoke': {
        const {status, value} = this.revokeOne(request, new URLSearchParams(body));
        return json(status, value);
      }
      case '/mcp':
        return this.guard(request, response, body);
      default:
        return json(404, {});
    }
  }

  private metadata(): object {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.issuer}/authorize`,
      token_endpoint: `${this.issuer}/token`,
      registration_endpoint: `${this.issuer}/register`,
      ...(this.options.revokes !== 'none' && {revocation_endpoint: `${this.issuer}/revoke`}),
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      authorization_response_iss_parameter_supported: true,
    };
  }

  private register(metadata: Record<string, unknown>): object {
    const client = {
      ...metadata,
      client_id: `c-${this.registered.length}`,
      client_secret: this.secret('client'),
    };
    this.registered.push(client);
    this.secretsOf.set(client.client_id, client.client_secret);
    return client;
  }

  private agree(asked: URLSearchParams): string {
    const code = this.secret('code');
    this.codes.set(code, {
      clientId: asked.get('client_id') ?? '',
      scope: asked.get('scope') ?? '',
      challenge: asked.get('code_challenge') ?? '',
      redirectUri: asked.get('redirect_uri') ?? '',
      family: randomUUID(),
    });
    const back = new URL(asked.get('redirect_uri') ?? '');
    back.searchParams.set('code', code);
    back.searchParams.set('state', asked.get('state') ?? '');
    back.searchParams.set('iss', this.issuer);
    return back.href;
  }

  private async token(request: IncomingMessage, asked: URLSearchParams) {
    const refused = (error: string) => ({status: 400, value: {error}});
    const known = this.clientOf(request, asked);
    const grantType = asked.get('grant_type') ?? '';
    this.asked.push(`${grantType} ${known?.how}`);
    if (this.tokenFault !== undefined) return {status: this.tokenFault, value: 'broken'};
    if (!known) return refused('invalid_client');
    if (asked.get('resource') !== this.url) return refused('invalid_target');
    if (grantType === 'client_credentials') {
      const grant = {clientId: known.id, scope: asked.get('scope') ?? '', family: randomUUID()};
      return {status: 200, value: this.issue(grant, false)};
    }
    if (grantType === 'refresh_token') {
      this.renewals++;
      await this.gate;
      const token = asked.get('refresh_token') ?? '';
      const reused = this.spent.get(token);
      // Somebody has it who should not: nobody may renew any more.
      if (reused)
        for (const [other, {family}] of this.refresh)
          if (family === reused.family) this.refresh.delete(other);
      const grant = this.refresh.get(token);
      if (grant?.clientId !== known.id) return refused('invalid_grant');
      this.refresh.delete(token);
      this.spent.set(token, grant);
      const value = this.issue(grant, true);
      await this.handOut;
      return {status: 200, value};
    }
    const code = this.codes.get(asked.get('code') ?? '');
    this.codes.delete(asked.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(asked.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      code?.clientId !== known.id ||
      code.challenge !== challenge ||
      code.redirectUri !== asked.get('redirect_uri')
    )
      return refused('invalid_grant');
    return {status: 200, value: this.issue(code, this.options.renewable ?? true)};
  }

  private revokeOne(request: IncomingMessage, asked: URLSearchParams) {
    const known = this.clientOf(request, asked);
    const token = asked.get('token') ?? '';
    const hint = asked.get('token_type_hint') ?? '';
    this.askedToRevoke.push(`${hint} ${known?.how}`);
    // Such a page may say whatever it was sent.
    if (this.revokeFault !== undefined) return {status: this.revokeFault, value: {error: `no ${token}`}};
    if (!known) return {status: 401, value: {error: 'invalid_client'}};
    if (hint === 'access_token' && this.options.revokes === 'refresh')
      return {status: 400, value: {error: 'unsupported_token_type'}};
    for (const kind of [this.access, this.refresh])
      if (kind.get(token)?.clientId === known.id) kind.delete(token);
    return {status: 200, value: {}};
  }

  private issue({clientId, scope, family}: Grant, renewable: boolean): object {
    const grant = {clientId, scope, family};
    const access = this.secret('access');
    this.access.set(access, grant);
    const refresh = this.secret('refresh');
    if (renewable) this.refresh.set(refresh, grant);
    return {
      access_token: access,
      token_type: 'Bearer',
      expires_in: 3600,
      scope,
      ...(renewable && {refresh_token: refresh}),
    };
  }

  private clientOf(request: IncomingMessage, asked: URLSearchParams): {id: string; how: string} | undefined {
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const [basicId, basicSecret] = basic ? Buffer.from(basic, 'base64').toString().split(':') : [];
    const assertion = asked.get('client_assertion');
    if (assertion) return this.byKey(assertion);
    const id = basicId ?? asked.get('client_id') ?? '';
    const secret = basicSecret ?? asked.get('client_secret') ?? undefined;
    const expected = this.secretsOf.get(id) ?? this.options.clients?.[id]?.secret;
    return expected !== undefined && secret === expected ? {id, how: basic ? 'basic' : 'post'} : undefined;
  }

  private byKey(assertion: string): {id: string; how: string} | undefined {
    const [head = '', claims = '', signature = ''] = assertion.split('.');
    const {iss = '', aud} = JSON.parse(Buffer.from(claims, 'base64url').toString()) as {
      iss?: string;
      aud?: string;
    };
    const key = this.options.clients?.[iss]?.publicKey;
    if (key === undefined || aud !== this.issuer) return undefined;
    const signed = Buffer.from(`${head}.${claims}`);
    const holds = verify('sha256', signed, createPublicKey(key), Buffer.from(signature, 'base64url'));
    return holds ? {id: iss, how: 'key'} : undefined;
  }

  private async guard(request: IncomingMessage, response: ServerResponse, body: string): Promise<void> {
    const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const grant = this.access.get(shown);
    const challenge = (more: string): Record<string, string> => ({
      'www-authenticate': `Bearer resource_metadata="${this.issuer}/.well-known/oauth-protected-resource/mcp"${more}`,
    });
    if (!grant) {
      response.writeHead(401, challenge(', scope="read"')).end(`who is ${shown}?`);
      return;
    }
    const {method, params} =
      body === '' ? {} : (JSON.parse(body) as {method?: string; params?: {name?: string}});
    if (method === 'tools/call' && params?.name === 'change' && !grant.scope.split(' ').includes('write')) {
      response.writeHead(403, challenge(', error="insufficient_scope", scope="write"')).end();
      return;
    }
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const answer = await this.mcp.fetch(
      new Request(this.url, {
        method: request.method,
        headers: Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
        ...(body !== '' && {body}),
        signal: gone.signal,
      }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) for await (const chunk of answer.body) response.write(chunk);
    response.end();
  }

  private secret(kind: string): string {
    const made = `${kind}-${randomUUID()}`;
    this.secrets.push(made);
    return made;
  }
}

function tools(): McpServer {
  const server = new McpServer({name: 'guarded', version: '1'});
  for (const name of ['look', 'change'])
    server.registerTool(name, {}, () => ({content: [{type: 'text' as const, text: `${name}: done`}]}));
  return server;
}

/** What the browser of a person who agrees is sent back with. */
export async function agreed(authorizationUrl: string): Promise<{state: string; code: string; iss?: string}> {
  const response = await fetch(authorizationUrl, {redirect: 'manual'});
  const back = new URL(response.headers.get('location') ?? '').searchParams;
  const iss = back.get('iss');
  return {
    state: back.get('state') ?? '',
    code: back.get('code') ?? '',
    ...(iss !== null && {iss}),
  };
}

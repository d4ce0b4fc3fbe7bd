/** The end of a login at its authorization server (RFC 7009): what renews first, then what is used. That they are forgotten here is others' matter. */
import {
  assertSecureTokenEndpoint,
  discoverAuthorizationServerMetadata,
  type FetchLike,
  type OAuthClientInformationMixed,
  selectClientAuthMethod,
} from '@modelcontextprotocol/client';
import * as z from 'zod';
import {expandEndpoint, type Variables} from '../../discovery/servers/expandVariables.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Revocation} from '../../protocol/commands/server.ts';
import type {HttpEndpoint, ServerDefinition} from '../../protocol/model/server.ts';
import type {LoginOutcome} from '../../protocol/model/serverOAuth.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import {promptFetch} from './endpointFetch.ts';
import {loginClient} from './loginClient.ts';

/** A login that is kept no longer, and the server that it was at. */
export interface EndedLogin {
  readonly definition: ServerDefinition;
  /** Undefined where what was kept could not be read. */
  readonly credentials: LoginOutcome | undefined;
}

export interface RevocationGround {
  readonly variables: Variables;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of its metadata, which the SDK's types know less of. */
const RevocationMetadata = z.object({
  revocation_endpoint: z.string().optional(),
  revocation_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
});
type RevocationMetadata = z.infer<typeof RevocationMetadata>;

/** Whoever logs out waits for it. */
const MAX_MS = 20_000;

/** Never rejects: what went wrong is said, here and in the log. */
export async function revokeLogin(
  {definition, credentials}: EndedLogin,
  {variables, clock, logger}: RevocationGround,
): Promise<Revocation> {
  const {name: server, endpoint} = definition;
  const issuer = credentials?.issuer ?? '';
  try {
    if (!credentials || endpoint.type === 'stdio')
      throw new CoordinatorError('corrupt', 'what was kept of the login cannot be read');
    return await revokeTokens(credentials, expandEndpoint(endpoint, variables), clock);
  } catch (error) {
    const reason = describeError(error);
    logger.warn('the tokens of a login at an MCP server could not be revoked', {server, issuer, reason});
    return {kind: 'failed', issuer, reason};
  }
}

/** Rejects when one of them may still be good. `endpoint`: its variables are filled in. */
export async function revokeTokens(
  credentials: LoginOutcome,
  endpoint: HttpEndpoint,
  clock: Clock,
): Promise<Revocation> {
  const {issuer, tokens} = credentials;
  const late = new AbortController();
  const timer = clock.schedule(MAX_MS, () =>
    late.abort(new CoordinatorError('timeout', `it did not answer within ${MAX_MS / 1000} s`)),
  );
  const send = promptFetch(endpoint, clock);
  const fetchFn: FetchLike = (url, init) => send(url, {...init, signal: late.signal});
  try {
    // What they are is told to nobody but who gave them.
    const found = await discoverAuthorizationServerMetadata(issuer, {fetchFn});
    const metadata = RevocationMetadata.parse(found ?? {});
    const {revocation_endpoint: place} = metadata;
    if (place === undefined) return {kind: 'notOffered', issuer};
    const url = assertSecureTokenEndpoint(place);
    const client = loginClient(credentials, endpoint.oauth);
    const revoke = (token: string, hint: string): Promise<string | undefined> =>
      refusal(url, {token, hint, client, metadata, fetchFn});
    const {access_token: access, refresh_token: refresh} = tokens;
    const refused = refresh === undefined ? undefined : await revoke(refresh, 'refresh_token');
    const refusedToo = await revoke(access, 'access_token');
    // Some revoke only what renews: what is used then ends soon by itself.
    const isLeft = refresh !== undefined && refusedToo === 'unsupported_token_type';
    const reason = refused ?? (isLeft ? undefined : refusedToo);
    if (reason !== undefined) throw new CoordinatorError('unavailable', `it answers ${reason}`);
    return {kind: 'revoked'};
  } finally {
    timer.dispose();
  }
}

interface RevocationRequest {
  readonly token: string;
  readonly hint: string;
  readonly client: OAuthClientInformationMixed;
  readonly metadata: RevocationMetadata;
  readonly fetchFn: FetchLike;
}

/** Undefined: it is good no longer, which is also said of one that was not. Of an answer only its code is taken: the rest may repeat the token. */
async function refusal(url: URL, request: RevocationRequest): Promise<string | undefined> {
  const {token, hint, client, metadata, fetchFn} = request;
  const headers = new Headers({
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  });
  const body = new URLSearchParams({token, token_type_hint: hint});
  authenticate(client, metadata, headers, body);
  const response = await fetchFn(url, {method: 'POST', headers, body});
  if (response.ok) return undefined;
  const answer: unknown = await response.json().catch(() => undefined);
  const {error} = Object(answer) as {error?: unknown};
  return typeof error === 'string' && /^[a-z_]{1,64}$/.test(error) ? error : `HTTP ${response.status}`;
}

/** As at the token endpoint, unless it says that this one wants something else. */
function authenticate(
  client: OAuthClientInformationMixed,
  {
    revocation_endpoint_auth_methods_supported: own,
    token_endpoint_auth_methods_supported: common = [],
  }: RevocationMetadata,
  headers: Headers,
  body: URLSearchParams,
): void {
  const {client_id: id, client_secret: secret} = client;
  const method = selectClientAuthMethod(client, own ?? common);
  if (method === 'client_secret_basic' && secret !== undefined) {
    headers.set('authorization', `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`);
    return;
  }
  body.set('client_id', id);
  if (method === 'client_secret_post' && secret !== undefined) body.set('client_secret', secret);
}

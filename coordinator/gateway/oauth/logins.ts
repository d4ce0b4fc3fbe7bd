/** Logins of people that are under way: from the address where a person is sent to the code that comes back. The verifier (PKCE) stays here. */
import {
  AuthorizationServerMismatchError,
  auth,
  computeScopeUnion,
  OAuthClientFlowError,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  OAuthError,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
} from '@modelcontextprotocol/client';
import {ProtocolError} from '../../protocol/errors.ts';
import type {HttpEndpoint} from '../../protocol/model/server.ts';
import type {LoginOutcome, ServerCredentials} from '../../protocol/model/serverOAuth.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {describeError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {askForChallenge, type Challenge} from './challenge.ts';
import {promptFetch} from './endpointFetch.ts';

export interface LoginsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly maxPending?: number;
  readonly expiryMs?: number;
}

export interface LoginRequest {
  readonly server: string;
  /** Its variables are filled in. */
  readonly endpoint: HttpEndpoint;
  readonly redirectUrl: string;
  /** What is wanted beside what was granted before. */
  readonly scope: string | undefined;
  readonly before: ServerCredentials | undefined;
  /** What the server said when it refused a request; undefined: it is asked. */
  readonly challenge: Challenge | undefined;
  readonly principal: string;
}

export interface LoginReturn {
  readonly server: string;
  readonly state: string;
  readonly code: string;
  readonly iss: string | undefined;
  readonly principal: string;
}

interface Pending {
  readonly request: LoginRequest;
  readonly client: LoginClient;
  readonly challenge: Challenge;
  readonly expiry: Disposable;
}

const MAX_PENDING = 64;
const EXPIRY_MS = 600_000;

export class Logins implements Disposable {
  private readonly pending = new Map<string, Pending>();
  /** Begun and not yet pending. */
  private beginning = 0;

  constructor(private readonly options: LoginsOptions) {}

  /** Errors: `invalidParams`, `overloaded`, `unavailable` (its servers do not answer as they should). */
  async begin(request: LoginRequest): Promise<{authorizationUrl: string; state: string}> {
    const {clock, random, maxPending = MAX_PENDING, expiryMs = EXPIRY_MS} = this.options;
    checkRedirect(request.redirectUrl);
    if (this.pending.size + this.beginning >= maxPending)
      throw new ProtocolError(
        'overloaded',
        `${maxPending} logins are under way: finish one, or wait ${expiryMs / 60_000} minutes`,
      );
    const {endpoint, before, server} = request;
    const state = random.hex(32);
    const client = new LoginClient(request, state);
    const fetchFn = promptFetch(endpoint, clock);
    this.beginning++;
    try {
      const challenge = request.challenge ?? (await askForChallenge(endpoint.url, fetchFn));
      const {resourceMetadataUrl} = challenge;
      const granted = before && (before.tokens.scope ?? before.scope);
      const scope = request.scope
        ? computeScopeUnion(endpoint.oauth?.scope, granted, request.scope)
        : (endpoint.oauth?.scope ?? challenge.scope);
      await auth(client, {
        serverUrl: endpoint.url,
        forceReauthorization: true,
        fetchFn,
        ...(scope !== undefined && {scope}),
        ...(resourceMetadataUrl && {resourceMetadataUrl}),
      });
      const expiry = clock.schedule(expiryMs, () => this.pending.delete(state), {background: true});
      this.pending.set(state, {request, client, challenge, expiry});
      return {authorizationUrl: client.authorizationUrl, state};
    } catch (error) {
      throw fault(server, error);
    } finally {
      this.beginning--;
    }
  }

  /** Once for each login. Errors: `notFound`: no such login; `unavailable`. */
  async finish({server, state, code, iss, principal}: LoginReturn): Promise<LoginOutcome> {
    const {clock, random} = this.options;
    const pending = this.pending.get(state);
    if (pending?.request.server !== server || pending.request.principal !== principal)
      throw new ProtocolError(
        'notFound',
        `there is no such login at ${server} under way here: it was begun elsewhere or by somebody else, is finished, or took too long; begin anew`,
      );
    this.pending.delete(state);
    pending.expiry.dispose();
    const {request, client, challenge} = pending;
    const {endpoint} = request;
    try {
      await auth(client, {
        serverUrl: endpoint.url,
        authorizationCode: code,
        fetchFn: promptFetch(endpoint, clock),
        ...(iss !== undefined && {iss}),
        ...(challenge.resourceMetadataUrl && {resourceMetadataUrl: challenge.resourceMetadataUrl}),
      });
    } catch (error) {
      throw fault(server, error);
    }
    return client.outcome(random.hex(8), clock.wallNow());
  }

  dispose(): void {
    for (const {expiry} of this.pending.values()) expiry.dispose();
    this.pending.clear();
  }
}

/** One login, as the SDK's driver asks for its parts. Nothing of it is stored before it is done. */
class LoginClient implements OAuthClientProvider {
  readonly clientMetadataUrl?: string;
  readonly saveClientInformation?: (information: StoredOAuthClientInformation) => void;
  private information: StoredOAuthClientInformation | undefined;
  private discovered: OAuthDiscoveryState | undefined;
  private verifier = '';
  private received: StoredOAuthTokens | undefined;
  private resource: string | undefined;
  private goTo: URL | undefined;

  constructor(
    private readonly request: LoginRequest,
    private readonly stateText: string,
  ) {
    const {clientId, clientSecret, clientAuthentication, clientMetadataUrl, issuer} =
      request.endpoint.oauth ?? {};
    if (clientId === undefined) {
      if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl;
      this.saveClientInformation = information => {
        this.information = information;
      };
      return;
    }
    this.information = {
      client_id: clientId,
      ...(clientSecret !== undefined && {client_secret: clientSecret}),
      ...(clientAuthentication && {token_endpoint_auth_method: clientAuthentication}),
      ...(issuer !== undefined && {issuer}),
    };
  }

  get redirectUrl(): string {
    return this.request.redirectUrl;
  }

  get clientMetadata(): OAuthClientProvider['clientMetadata'] {
    const {scope} = this.request.endpoint.oauth ?? {};
    return {
      client_name: 'MCPX',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      ...(scope !== undefined && {scope}),
    };
  }

  get authorizationUrl(): string {
    if (!this.goTo) throw new ProtocolError('unavailable', 'the authorization server has no page to log in');
    return this.goTo.href;
  }

  state(): string {
    return this.stateText;
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.information;
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.received;
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.received = tokens;
  }

  redirectToAuthorization(url: URL): void {
    const {issuer} = this.request.endpoint.oauth ?? {};
    const found = this.issuer;
    if (issuer !== undefined && !isSameIssuer(found, issuer))
      throw new AuthorizationServerMismatchError(issuer, found);
    if (!/^https?:$/.test(url.protocol))
      throw new ProtocolError('unavailable', `the authorization server's page has no http address`);
    this.goTo = url;
  }

  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }

  codeVerifier(): string {
    return this.verifier;
  }

  saveResourceUrl(url: string): void {
    this.resource = url;
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.discovered = state;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.discovered;
  }

  outcome(login: string, loggedInAt: number): LoginOutcome {
    const {received: tokens, information, resource} = this;
    if (!tokens || !information) throw new ProtocolError('unavailable', 'the login brought no tokens');
    const scope = this.goTo?.searchParams.get('scope') ?? undefined;
    const isRegistered = this.request.endpoint.oauth?.clientId !== undefined;
    return {
      url: this.request.endpoint.url,
      issuer: this.issuer,
      clientId: information.client_id,
      ...(!isRegistered && {client: information}),
      ...(resource !== undefined && {resource}),
      ...(scope !== undefined && {scope}),
      ...{tokens, login, loggedInAt},
    };
  }

  private get issuer(): string {
    const {authorizationServerMetadata, authorizationServerUrl} = this.discovered ?? {};
    return authorizationServerMetadata?.issuer ?? String(authorizationServerUrl);
  }
}

/** As the SDK compares them: one slash at the end does not matter. */
function isSameIssuer(a: string, b: string): boolean {
  return a.replace(/\/$/, '') === b.replace(/\/$/, '');
}

function checkRedirect(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLoopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url?.hostname ?? '');
  if (url && url.hash === '' && (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)))
    return;
  throw new ProtocolError(
    'invalidParams',
    'redirectUrl is an https:// address, or an http:// one of this machine (127.0.0.1, localhost), without a fragment',
  );
}

/** What went wrong, without what a foreign page says at length. */
function fault(server: string, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  const reason = error instanceof OAuthError ? `${error.code}: ${error.message}` : describeError(error);
  const isTheirs =
    error instanceof OAuthError || error instanceof OAuthClientFlowError || isCoordinatorError(error);
  const what = isTheirs ? reason : `its authorization server cannot be used: ${reason}`;
  return new ProtocolError('unavailable', `no login at the server ${server}: ${what.slice(0, 500)}`);
}

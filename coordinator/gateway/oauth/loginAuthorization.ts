/**
 * Requests by the login of a person: the tokens of the store, renewed when the server refuses them, by one coordinator at a time, since a token
 * that renews may be good for one use. Where nothing helps, that somebody has to log in is what the request fails with.
 */
import {
  type AuthProvider,
  discoverOAuthServerInfo,
  type FetchLike,
  OAuthError,
  OAuthErrorCode,
  refreshAuthorization,
} from '@modelcontextprotocol/client';
import {ServerCredentials} from '../../protocol/model/serverOAuth.ts';
import {delay} from '../../runtime/clock.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import type {AuthorizationGround, EndpointAuthorization} from './authorization.ts';
import {type Challenge, challengeOf, speaksOAuth} from './challenge.ts';
import type {KeptCredentials, Renewal} from './credentialStore.ts';
import {endpointFetch, promptFetch} from './endpointFetch.ts';
import {loginClient} from './loginClient.ts';
import {revokeTokens} from './revocation.ts';

/** Between looks whether another coordinator has renewed the tokens, and for how long. */
const LOOK_MS = 100;
const MAX_LOOKS = 900;
/** The old token may be gone: the new one has to get into the store. */
const MAX_WRITES = 20;
const WRITE_AGAIN_MS = 500;

export class LoginAuthorization implements EndpointAuthorization {
  readonly onInsufficientScope = 'throw';
  readonly authProvider: AuthProvider;
  readonly fetch: FetchLike;
  private readonly promptly: FetchLike;
  /** The token that a refused request had. */
  private readonly shownIn = new WeakMap<Response, string>();
  private renewing: Promise<boolean> | undefined;
  private seen: Challenge | undefined;
  private isRefused = false;
  /** What renews no more: it is not asked again and again. */
  private spent: string | undefined;

  constructor(private readonly ground: AuthorizationGround) {
    const {endpoint, clock} = ground;
    const send = endpointFetch(endpoint);
    this.promptly = promptFetch(endpoint, clock);
    this.fetch = async (url, init) => {
      const response = await send(url, init);
      const shown = new Headers(init?.headers).get('authorization');
      if (response.status === 401 && shown) this.shownIn.set(response, shown.replace(/^Bearer /i, ''));
      if (response.ok) this.isRefused = false;
      return response;
    };
    this.authProvider = {
      token: async () => this.kept?.tokens.access_token,
      onUnauthorized: context => this.onUnauthorized(context),
    };
  }

  get needsLogin(): boolean {
    return this.isRefused;
  }

  get challenge(): Challenge | undefined {
    return this.seen;
  }

  secrets(): readonly string[] {
    const {clientSecret} = this.ground.endpoint.oauth ?? {};
    const {tokens, client} = this.kept ?? {};
    return [clientSecret, client?.client_secret, tokens?.access_token, tokens?.refresh_token].filter(
      text => text !== undefined,
    );
  }

  private get kept(): ServerCredentials | undefined {
    const {credentials, server} = this.ground;
    return this.ours(credentials.known(server));
  }

  /** What was given at another address, or to another client, is not shown here. */
  private ours(kept: ServerCredentials | undefined): ServerCredentials | undefined {
    const {url, oauth} = this.ground.endpoint;
    if (kept?.url !== url) return undefined;
    return oauth?.clientId === undefined || oauth.clientId === kept.clientId ? kept : undefined;
  }

  private async onUnauthorized({response}: {response: Response}): Promise<void> {
    this.seen = challengeOf(response);
    const shown = this.shownIn.get(response);
    this.renewing ??= this.renew(shown).finally(() => {
      this.renewing = undefined;
    });
    if (await this.renewing) return;
    const {server, endpoint} = this.ground;
    if (endpoint.oauth || (await speaksOAuth(endpoint.url, this.seen, this.promptly))) {
      this.isRefused = true;
      throw new CoordinatorError(
        'unauthorized',
        `somebody has to log in at the server ${server}: mcpx servers login ${server}`,
      );
    }
    throw new CoordinatorError(
      'unavailable',
      'it answers 401 (unauthorized), and does not say how to log in',
      {
        hint: `Register it with the header that it wants, or try mcpx servers login ${server}.`,
      },
    );
  }

  /** False when nobody is logged in. Rejects when it could not be found out. */
  private async renew(shown: string | undefined): Promise<boolean> {
    const {credentials, server, clock} = this.ground;
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const kept = await credentials.read(server);
      const value = this.ours(kept?.value);
      if (!kept || !value) return false;
      // Somebody else was here before.
      if (shown !== value.tokens.access_token) return true;
      const {refresh_token: refreshToken} = value.tokens;
      if (refreshToken === undefined || refreshToken === this.spent) return false;
      const renewal = await credentials.renew(server, kept);
      if (!renewal) await delay(clock, LOOK_MS);
      else if (await this.renewBy(renewal, kept, refreshToken)) return true;
    }
    throw new CoordinatorError(
      'timeout',
      'another coordinator renews its tokens, and does not come to an end',
    );
  }

  /** False when these tokens are renewed no more; there may be others by now. */
  private async renewBy(renewal: Renewal, kept: KeptCredentials, refreshToken: string): Promise<boolean> {
    const {credentials, server} = this.ground;
    let next: ServerCredentials | undefined;
    try {
      next = await this.refreshed(kept, refreshToken);
    } catch (error) {
      await renewal.release();
      throw error;
    }
    if (next) return this.keep(renewal, next);
    await renewal.release();
    // A login, or a coordinator that was thought dead, may have been quicker.
    const now = await credentials.read(server);
    if (now?.modRevision === kept.modRevision) this.spent = refreshToken;
    return false;
  }

  /** False when somebody has logged in or out meanwhile. */
  private async keep(renewal: Renewal, next: ServerCredentials): Promise<boolean> {
    const {clock, logger, server} = this.ground;
    for (let writes = 1; ; writes++) {
      try {
        if (await renewal.finish(next)) return true;
        await this.discard(next);
        return false;
      } catch (error) {
        if (writes >= MAX_WRITES) throw error;
        logger.warn('renewed tokens of an MCP server are not stored yet', {server, error});
        await delay(clock, WRITE_AGAIN_MS);
      }
    }
  }

  /** Whoever logged out while they were renewed had the old ones revoked. */
  private async discard(next: ServerCredentials): Promise<void> {
    const {credentials, server, endpoint, clock, logger} = this.ground;
    if (await credentials.read(server)) return;
    await revokeTokens(next, endpoint, clock).catch((error: unknown) =>
      logger.warn('tokens that nobody needs could not be revoked', {server, error: describeError(error)}),
    );
  }

  /** Undefined when the authorization server does not take the token any more, or is another one. */
  private async refreshed(
    {value}: KeptCredentials,
    refreshToken: string,
  ): Promise<ServerCredentials | undefined> {
    const {endpoint, logger, server} = this.ground;
    const {resourceMetadataUrl} = this.seen ?? {};
    const found = await discoverOAuthServerInfo(endpoint.url, {
      fetchFn: this.promptly,
      ...(resourceMetadataUrl && {resourceMetadataUrl}),
    });
    const metadata = found.authorizationServerMetadata;
    const issuer = metadata?.issuer ?? String(found.authorizationServerUrl);
    if (issuer !== value.issuer) {
      logger.warn('an MCP server has another authorization server than at the login', {server, issuer});
      return undefined;
    }
    try {
      const tokens = await refreshAuthorization(found.authorizationServerUrl, {
        ...(metadata && {metadata}),
        clientInformation: loginClient(value, endpoint.oauth),
        refreshToken,
        ...(value.resource !== undefined && {resource: value.resource}),
        fetchFn: this.promptly,
      });
      return ServerCredentials.parse({
        ...value,
        tokens: {...tokens, scope: tokens.scope ?? value.tokens.scope},
      });
    } catch (error) {
      const {InvalidGrant, InvalidClient, UnauthorizedClient} = OAuthErrorCode;
      const final: readonly string[] = [InvalidGrant, InvalidClient, UnauthorizedClient];
      if (error instanceof OAuthError && final.includes(error.code)) {
        logger.warn('a login at an MCP server is over', {server, reason: error.code});
        return undefined;
      }
      throw new CoordinatorError(
        'unavailable',
        `its authorization server ${issuer} does not renew the login: ${describeError(error)}`,
        {cause: error},
      );
    }
  }
}

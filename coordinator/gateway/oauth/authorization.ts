/** How requests to one address of a server are let in: by the login of a person, or by the hub's own credentials there. */
import {
  type AuthProvider,
  ClientCredentialsProvider,
  type FetchLike,
  type OAuthClientProvider,
  PrivateKeyJwtProvider,
} from '@modelcontextprotocol/client';
import {HIDDEN} from '../../discovery/servers/serverView.ts';
import type {Logger} from '../../observability/logger.ts';
import type {HttpEndpoint} from '../../protocol/model/server.ts';
import type {ServerOAuth} from '../../protocol/model/serverOAuth.ts';
import type {Clock} from '../../runtime/clock.ts';
import type {Challenge} from './challenge.ts';
import type {CredentialStore} from './credentialStore.ts';
import {endpointFetch} from './endpointFetch.ts';
import {LoginAuthorization} from './loginAuthorization.ts';

export interface EndpointAuthorization {
  /** For the SDK's transports. */
  readonly authProvider: AuthProvider | OAuthClientProvider;
  readonly fetch: FetchLike;
  /** What happens when a request needs more scope: it fails with what it needs, or the hub asks for that by itself. */
  readonly onInsufficientScope: 'throw' | 'reauthorize';
  /** Nobody who is let in is logged in. */
  readonly needsLogin: boolean;
  /** What the server said last when it refused a request. */
  readonly challenge: Challenge | undefined;
  /** Texts that are in no message. */
  secrets(): readonly string[];
}

/** Servers may repeat what they were shown. */
export function withoutSecretsOf(authorization: EndpointAuthorization | undefined, text: string): string {
  return (authorization?.secrets() ?? []).reduce((said, secret) => said.replaceAll(secret, HIDDEN), text);
}

export interface AuthorizationGround {
  readonly server: string;
  /** Its variables are filled in. */
  readonly endpoint: HttpEndpoint;
  /** Other places of a server have no login of their own. */
  readonly isReplica: boolean;
  readonly credentials: CredentialStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Undefined where the headers of the registration are all there is. */
export function authorizationOf(ground: AuthorizationGround): EndpointAuthorization | undefined {
  const {endpoint, isReplica} = ground;
  const {oauth} = endpoint;
  if (oauth?.grant === 'client_credentials') return byClient(endpoint, oauth);
  const hasOwn = Object.keys(endpoint.headers).some(name => name.toLowerCase() === 'authorization');
  if (isReplica || (!oauth && hasOwn)) return undefined;
  return new LoginAuthorization(ground);
}

/** Tokens are in memory alone: whoever needs one asks for it. */
function byClient(endpoint: HttpEndpoint, oauth: ServerOAuth): EndpointAuthorization {
  const provider = clientProvider(oauth);
  return {
    authProvider: provider,
    fetch: endpointFetch(endpoint),
    // What a registration limits stays limited.
    onInsufficientScope: oauth.scope === undefined ? 'reauthorize' : 'throw',
    needsLogin: false,
    challenge: undefined,
    secrets: () => {
      const {access_token: token} = provider.tokens() ?? {};
      return [oauth.clientSecret, oauth.privateKey, token].filter(text => text !== undefined);
    },
  };
}

function clientProvider(oauth: ServerOAuth): ClientCredentialsProvider | PrivateKeyJwtProvider {
  const {clientId = '', clientSecret = '', privateKey, algorithm = 'RS256', scope, issuer} = oauth;
  const common = {clientId, clientName: 'MCPX', ...(scope !== undefined && {scope})};
  const bound = {...(issuer !== undefined && {expectedIssuer: issuer})};
  if (privateKey !== undefined)
    return new PrivateKeyJwtProvider({...common, ...bound, privateKey, algorithm});
  const provider = new ClientCredentialsProvider({...common, ...bound, clientSecret});
  const {clientAuthentication: method} = oauth;
  if (method === undefined) return provider;
  const information = provider.clientInformation.bind(provider);
  provider.clientInformation = () => ({...information(), token_endpoint_auth_method: method});
  return provider;
}

/** As whom the hub speaks to the authorization server of a login: the client that was registered for it, or the one that the registration names. Pure. */
import type {OAuthClientInformationMixed} from '@modelcontextprotocol/client';
import type {LoginOutcome, ServerOAuth} from '../../protocol/model/serverOAuth.ts';

export function loginClient(
  {client, clientId}: LoginOutcome,
  {clientId: named, clientSecret, clientAuthentication: method}: ServerOAuth = {},
): OAuthClientInformationMixed {
  if (client) return client;
  // The secret of another client is nobody's here.
  if (named !== clientId) return {client_id: clientId};
  return {
    client_id: clientId,
    ...(clientSecret !== undefined && {client_secret: clientSecret}),
    ...(method && {token_endpoint_auth_method: method}),
  };
}

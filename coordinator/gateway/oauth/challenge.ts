/** What a server says when it refuses a request: what it wants, and whether it is OAuth that it speaks of. */
import {
  discoverOAuthServerInfo,
  extractWWWAuthenticateParams,
  type FetchLike,
} from '@modelcontextprotocol/client';

export interface Challenge {
  readonly resourceMetadataUrl: URL | undefined;
  readonly scope: string | undefined;
}

export function challengeOf(response: Response): Challenge {
  const {resourceMetadataUrl, scope} = extractWWWAuthenticateParams(response);
  return {resourceMetadataUrl, scope};
}

/** Asks as somebody who has not logged in. */
export async function askForChallenge(url: string, fetchFn: FetchLike): Promise<Challenge> {
  const response = await fetchFn(url, {
    method: 'POST',
    redirect: 'manual',
    headers: {'content-type': 'application/json', accept: 'application/json, text/event-stream'},
    body: JSON.stringify({jsonrpc: '2.0', id: 1, method: 'ping'}),
  });
  await response.body?.cancel().catch(() => undefined);
  return challengeOf(response);
}

/** Whether it has metadata of OAuth. Rejects when that cannot be found out. */
export async function speaksOAuth(
  url: string,
  {resourceMetadataUrl}: Challenge,
  fetchFn: FetchLike,
): Promise<boolean> {
  if (resourceMetadataUrl) return true;
  const found = await discoverOAuthServerInfo(url, {fetchFn});
  return found.resourceMetadata !== undefined || found.authorizationServerMetadata !== undefined;
}

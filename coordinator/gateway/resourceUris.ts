/** The URIs under which resources of servers appear: their own where only one server has them, else below the server's name. Pure. */

const BASE = 'mcpx://servers/';

export interface OfferedUri<T> {
  readonly server: string;
  readonly uri: string;
  readonly item: T;
}

/** A URI that several servers have is told apart for all of them, so that it never means now one, now another. */
export function urisOf<T>(offers: readonly OfferedUri<T>[]): Map<string, OfferedUri<T>> {
  const servers = new Map<string, Set<string>>();
  for (const {server, uri} of offers) {
    const owners = servers.get(uri) ?? new Set();
    servers.set(uri, owners.add(server));
  }
  return new Map(
    offers.map(offer => [
      (servers.get(offer.uri)?.size ?? 0) > 1 ? uriBelow(offer.server, offer.uri) : offer.uri,
      offer,
    ]),
  );
}

export function uriBelow(server: string, uri: string): string {
  return `${BASE}${server}/${uri}`;
}

/** What `uriBelow` was made of. */
export function splitUri(uri: string): {server: string; uri: string} | undefined {
  if (!uri.startsWith(BASE)) return undefined;
  const rest = uri.slice(BASE.length);
  const at = rest.indexOf('/');
  return at <= 0 ? undefined : {server: rest.slice(0, at), uri: rest.slice(at + 1)};
}

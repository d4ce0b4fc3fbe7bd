/** What a link to a coordinator says. Pure. */

export type JoinLink =
  | {readonly kind: 'connect'; readonly url: string; readonly caPin: string | undefined}
  | {readonly kind: 'refused'; readonly reason: 'path' | 'url' | 'pin' | 'token'};

const MAX_URL = 2048;

export function parseJoinLink(path: string, query: string): JoinLink {
  if (path !== '/connect') return {kind: 'refused', reason: 'path'};
  const parameters = new URLSearchParams(query);
  if (parameters.has('token')) return {kind: 'refused', reason: 'token'};
  const url = parameters.get('url') ?? '';
  if (url.length > MAX_URL || !URL.canParse(url)) return {kind: 'refused', reason: 'url'};
  const {protocol, username, password, hostname, host, pathname, search, hash} = new URL(url);
  const isPlain = username + password + search + hash === '' && pathname === '/';
  if ((protocol !== 'ws:' && protocol !== 'wss:') || !isPlain || hostname === '')
    return {kind: 'refused', reason: 'url'};
  const pin = parameters.get('pin') ?? undefined;
  if (pin !== undefined && !/^sha256:[A-Za-z0-9+/_=-]{32,88}$/.test(pin))
    return {kind: 'refused', reason: 'pin'};
  // As it is resolved: letters that look like others do not survive.
  return {kind: 'connect', url: `${protocol}//${host}`, caPin: pin};
}

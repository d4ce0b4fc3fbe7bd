/** What URLs of remotes say: whether a text is one, how to show it, and where its forge opens a pull request. Pure. */

/** A URL or `host:path` as git takes them, and not a path on this machine. */
export function isRemoteUrl(text: string): boolean {
  if (/^(https?|ssh|git|git\+ssh|file):\/\/./.test(text)) return true;
  return /^[A-Za-z0-9_.-]+@[A-Za-z0-9][A-Za-z0-9.-]*:[^:\\]/.test(text);
}

/** Without user name, password or token. */
export function shownUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:/.test(url)) return url;
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  return parsed.href;
}

/** The web address of a repository, such as `https://github.com/owner/name`; undefined for what is no web host. */
export function webUrl(remote: string): {readonly host: string; readonly path: string} | undefined {
  const scp = /^(?:[^@/]+@)?([A-Za-z0-9][A-Za-z0-9.-]+):(?!\/\/)(.+)$/.exec(remote);
  const parts = scp
    ? {host: scp[1] ?? '', path: scp[2] ?? ''}
    : URL.canParse(remote) && /^(https?|ssh|git|git\+ssh):/.test(remote)
      ? partsOf(new URL(remote))
      : undefined;
  if (!parts) return undefined;
  const clean = parts.path.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  return clean.includes('/') ? {host: parts.host, path: clean} : undefined;
}

export interface PullRequestDraft {
  readonly remote: string;
  readonly branch: string;
  readonly base: string;
  readonly title: string;
  readonly body: string;
}

/** Longer bodies are left out of an address. */
const MAX_BODY = 2000;

/** Where a person opens the pull request with one click; undefined for hosts of an unknown kind. */
export function compareUrl(draft: PullRequestDraft): string | undefined {
  const found = webUrl(draft.remote);
  if (!found) return undefined;
  const {host, path} = found;
  const [branch, base] = [draft.branch, draft.base].map(encodeURIComponent);
  const query = (title: string, body: string): string => {
    const parameters = new URLSearchParams({[title]: draft.title});
    if (draft.body.length <= MAX_BODY) parameters.set(body, draft.body);
    return parameters.toString();
  };
  if (/(^|\.)github\./.test(host)) {
    const range = [draft.base, draft.branch].map(name => name.split('/').map(encodeURIComponent).join('/'));
    return `https://${host}/${path}/compare/${range.join('...')}?expand=1&${query('title', 'body')}`;
  }
  if (/(^|\.)gitlab\./.test(host)) {
    const ends = `merge_request%5Bsource_branch%5D=${branch}&merge_request%5Btarget_branch%5D=${base}`;
    return `https://${host}/${path}/-/merge_requests/new?${ends}&${query('merge_request[title]', 'merge_request[description]')}`;
  }
  if (/(^|\.)bitbucket\./.test(host)) {
    return `https://${host}/${path}/pull-requests/new?source=${branch}&dest=${base}&${query('title', 'description')}`;
  }
  return undefined;
}

function partsOf(url: URL): {host: string; path: string} {
  // The port of ssh is not that of the web.
  return {
    host: url.protocol.startsWith('http') ? url.host : url.hostname,
    path: decodeURIComponent(url.pathname),
  };
}

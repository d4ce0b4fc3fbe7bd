/** Who a commit is by and from when, said to git by environment, so that commits work on machines without a git identity. */

export interface CommitIdentity {
  readonly name: string;
  readonly email: string;
}

/** Of commits that no person and no agent made. */
export const MCPX_IDENTITY: CommitIdentity = {name: 'MCPX', email: 'mcpx@localhost'};

/** Author and committer of a commit of ours; `seconds` since the Unix epoch. */
export function identityEnv(who: CommitIdentity, seconds: number): Record<string, string> {
  // git strips these characters itself, and refuses a name that has nothing else.
  const clean = (text: string, fallback: string): string => {
    const kept = [...text].filter(letter => letter >= ' ' && letter !== '<' && letter !== '>').join('');
    return /[A-Za-z0-9]/.test(kept) ? kept.slice(0, 200) : fallback;
  };
  const date = `@${Math.floor(seconds)} +0000`;
  const [name, email] = [clean(who.name, MCPX_IDENTITY.name), clean(who.email, MCPX_IDENTITY.email)];
  return {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_AUTHOR_DATE: date,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
    GIT_COMMITTER_DATE: date,
  };
}

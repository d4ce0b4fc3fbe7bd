/** Names the account behind a login without telling the login, for agents that were given no name for it: those of one login share the name. Pure. */
import {createHash} from 'node:crypto';
import path from 'node:path';
import type {Environment} from './attemptEnvironment.ts';
import {CLOUD_VARIABLES, environmentLogin, KEY_VARIABLES, TOKEN_VARIABLES} from './authentication.ts';

const DIGITS = 16;

/** Undefined for a rehearsal, which spends from nothing, and where no home says which login it would be. */
export function loginAccount(env: Environment, hostname: string, rehearsal = false): string | undefined {
  if (rehearsal) return undefined;
  switch (environmentLogin(env)) {
    case 'cloud':
      // Who pays is settled by a configuration of the machine that only the provider's tools can read.
      return named('cloud', [hostname, ...CLOUD_VARIABLES.filter(name => env[name])]);
    case 'apiKey':
      return named('key', valuesOf(env, KEY_VARIABLES));
    case 'token':
      return named('token', valuesOf(env, TOKEN_VARIABLES));
    default: {
      const {HOME: home, CLAUDE_CONFIG_DIR: folder} = env;
      if (!folder && !home) return undefined;
      return named('login', [hostname, folder || path.join(home ?? '', '.claude')]);
    }
  }
}

function valuesOf(env: Environment, names: readonly string[]): string[] {
  return names.flatMap(name => env[name] || []).slice(0, 1);
}

function named(kind: string, parts: readonly string[]): string {
  const digest = createHash('sha256')
    .update(['mcpx account', kind, ...parts].join('\0'))
    .digest('hex');
  return `${kind}-${digest.slice(0, DIGITS)}`;
}

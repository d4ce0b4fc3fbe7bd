/** How Claude Code will sign in, told from its environment alone, and which configuration folder follows from that. Pure. */
import type {Environment} from './attemptEnvironment.ts';

export type EnvironmentLogin = 'apiKey' | 'token' | 'cloud';

export const KEY_VARIABLES = ['ANTHROPIC_API_KEY'];
export const TOKEN_VARIABLES = ['CLAUDE_CODE_OAUTH_TOKEN', 'ANTHROPIC_AUTH_TOKEN'];
export const CLOUD_VARIABLES = [
  'CLAUDE_CODE_USE_BEDROCK',
  'CLAUDE_CODE_USE_VERTEX',
  'CLAUDE_CODE_USE_FOUNDRY',
  'CLAUDE_CODE_USE_MANTLE',
  'CLAUDE_CODE_USE_ANTHROPIC_AWS',
  'CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD',
  'CLAUDE_CODE_USE_GATEWAY',
];

/** `undefined`: only a login in the user's own configuration can serve. Cloud switches win, as in Claude Code. */
export function environmentLogin(env: Environment): EnvironmentLogin | undefined {
  if (CLOUD_VARIABLES.some(name => isOn(env[name]))) return 'cloud';
  if (KEY_VARIABLES.some(name => env[name])) return 'apiKey';
  if (TOKEN_VARIABLES.some(name => env[name])) return 'token';
  return undefined;
}

/**
 * Gives the attempts of one slot a configuration folder of their own, because instances that share one see each other and may
 * take turns on one another's messages. A login that lives in the user's folder would be hidden by that, so then, or where the
 * environment names a folder itself, nothing is changed.
 */
export function withConfigurationFolder(env: Environment, slotFolder: string): Record<string, string> {
  if (env['CLAUDE_CONFIG_DIR'] || environmentLogin(env) === undefined) return {...env};
  return {...env, CLAUDE_CONFIG_DIR: slotFolder};
}

/** Takes away everything by which Claude Code could reach a real model, for rehearsals. */
export function withoutModelAccess(env: Environment): Record<string, string> {
  const secret = new Set([
    'ANTHROPIC_CUSTOM_HEADERS',
    ...KEY_VARIABLES,
    ...TOKEN_VARIABLES,
    ...CLOUD_VARIABLES,
  ]);
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !secret.has(name) && !/^ANTHROPIC_(.+_)?BASE_URL$/.test(name)),
  );
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['', '0', 'false', 'no', 'off'].includes(value.toLowerCase());
}

/** Composes the environment of an attempt's processes. Pure; which folder and credentials an attempt gets is decided elsewhere. */

export type Environment = Readonly<Record<string, string>>;

/**
 * Variables that describe the process we were started from and would change how ours behave: an editor's, a debugger's, the
 * session of a Claude Code that we may have been started by.
 */
const STRIPPED_NAMES: ReadonlySet<string> = new Set([
  'ELECTRON_RUN_AS_NODE',
  'ELECTRON_NO_ATTACH_CONSOLE',
  'ELECTRON_NO_ASAR',
  'NODE_OPTIONS',
  'NODE_V8_COVERAGE',
  'NODE_UNIQUE_ID',
  'NODE_CHANNEL_FD',
  'CLAUDECODE',
  'CLAUDE_CODE_ENTRYPOINT',
  'CLAUDE_CODE_SSE_PORT',
  'CLAUDE_CODE_SESSION_ID',
  'MCPX_ATTEMPT_ID',
  'MCPX_AGENT_RUN',
]);
const STRIPPED_PREFIXES: readonly string[] = ['VSCODE_'];

/** A minute of patience with an overloaded API, which is cheaper than beginning a task again; a refused key shows as soon. */
const DEFAULTS: Environment = {CLAUDE_CODE_MAX_RETRIES: '8', DISABLE_AUTOUPDATER: '1'};

/** `base` without what describes its own process, then our defaults where it says nothing, then `extra` over both. */
export function attemptEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  extra: Environment = {},
): Record<string, string> {
  const env: Record<string, string> = {...DEFAULTS};
  for (const [name, value] of Object.entries(base)) {
    if (value === undefined || isStripped(name)) continue;
    env[name] = value;
  }
  return {...env, ...extra};
}

function isStripped(name: string): boolean {
  return STRIPPED_NAMES.has(name) || STRIPPED_PREFIXES.some(prefix => name.startsWith(prefix));
}

/** Finds out, without spending a token, whether Claude Code can work under an environment: which executable, which version, which login. */
import {execFile} from 'node:child_process';
import {existsSync} from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import {describeError} from '../../runtime/errors.ts';
import {parseJson} from '../../runtime/json.ts';
import type {Environment} from './attemptEnvironment.ts';
import {environmentLogin} from './authentication.ts';
import {bundledExecutable, type FoundClaude, findClaude} from './findClaude.ts';

export interface ClaudeAuthentication {
  /** Claude Code's own word, such as `claude.ai`, `api_key`, `oauth_token`, `api_key_helper` or `third_party`. */
  readonly method: string;
  /** `firstParty`, `bedrock`, `vertex` and so on. */
  readonly provider: string;
}

export type ClaudeProbe =
  | {
      readonly kind: 'ready';
      readonly path: string;
      readonly version: string;
      readonly source: FoundClaude['source'];
      readonly authentication: ClaudeAuthentication;
    }
  | {readonly kind: 'missing'; readonly hint: string}
  | {readonly kind: 'unauthenticated'; readonly path: string; readonly version: string; readonly hint: string}
  | {readonly kind: 'broken'; readonly path: string; readonly message: string; readonly hint: string};

export interface ProbeOptions {
  /** Exactly what an attempt will get: a login may hang on any part of it. */
  readonly env: Environment;
  /** From the settings; otherwise the PATH of `env` and the binary beside the Agent SDK are searched. */
  readonly executable?: string | undefined;
  /** Default 30,000: a cold start of a 400 MB binary takes its time. */
  readonly timeoutMs?: number | undefined;
  /** The binary beside the SDK; for tests. */
  readonly bundled?: (() => string | undefined) | undefined;
}

/** Older versions do not take what the Agent SDK tells them when it starts them. */
export const OLDEST_CLAUDE_VERSION = '2.1.261';

const INSTALL_HINT =
  'Install Claude Code (npm install -g @anthropic-ai/claude-code, or see https://code.claude.com), or name its path in the settings of the agent.';
const LOGIN_HINT =
  'Sign in by running `claude auth login` as the user of this agent, or set ANTHROPIC_API_KEY, CLAUDE_CODE_OAUTH_TOKEN (from `claude setup-token`) or the variables of a cloud provider in its environment.';

const AuthStatus = z.looseObject({
  loggedIn: z.boolean(),
  authMethod: z.string().default('unknown'),
  apiProvider: z.string().default('firstParty'),
});

export async function probeClaude(options: ProbeOptions): Promise<ClaudeProbe> {
  const {env, executable} = options;
  const found = findClaude({executable, PATH: env['PATH'], bundled: options.bundled});
  if (!found) return {kind: 'missing', hint: INSTALL_HINT};
  if (found.source === 'settings' && !existsSync(found.path))
    return {kind: 'missing', hint: `There is nothing at ${found.path}. ${INSTALL_HINT}`};
  const first = await probeExecutable(found, options);
  if (first.kind !== 'broken' || found.source !== 'path') return first;
  // An old or damaged installation of the user's need not stop us where a good one came with us.
  const own = (options.bundled ?? bundledExecutable)();
  if (!own) return first;
  const second = await probeExecutable({path: own, source: 'bundled'}, options);
  return second.kind === 'broken' ? first : second;
}

async function probeExecutable(found: FoundClaude, options: ProbeOptions): Promise<ClaudeProbe> {
  const asked = await run(found.path, ['--version'], options);
  const version = /^(\d+\.\d+\.\d+)/.exec(asked.stdout)?.[1];
  if (asked.code !== 0 || version === undefined) {
    const said = [asked.error, asked.stderr.trim(), asked.stdout.trim()].filter(part => part).join('\n');
    const message = `${found.path} --version did not answer with a version:\n${said.slice(0, 1000)}`;
    return {kind: 'broken', path: found.path, message, hint: INSTALL_HINT};
  }
  if (isOlder(version, OLDEST_CLAUDE_VERSION)) {
    const message = `${found.path} is Claude Code ${version}; ${OLDEST_CLAUDE_VERSION} or newer is needed.`;
    return {kind: 'broken', path: found.path, message, hint: 'Run `claude update`.'};
  }
  const authentication = await authenticationOf(found.path, options);
  return authentication
    ? {kind: 'ready', path: found.path, version, source: found.source, authentication}
    : {kind: 'unauthenticated', path: found.path, version, hint: LOGIN_HINT};
}

async function authenticationOf(
  executable: string,
  options: ProbeOptions,
): Promise<ClaudeAuthentication | undefined> {
  const {stdout} = await run(executable, ['auth', 'status', '--json'], options);
  const status = AuthStatus.safeParse(parseJson(stdout));
  if (status.success) {
    const {loggedIn, authMethod, apiProvider} = status.data;
    return loggedIn ? {method: authMethod, provider: apiProvider} : undefined;
  }
  // It could not say; what lies in the open still can.
  const login = environmentLogin(options.env);
  if (login) return {method: login, provider: login === 'cloud' ? 'cloud' : 'firstParty'};
  const home = options.env['CLAUDE_CONFIG_DIR'] ?? path.join(options.env['HOME'] ?? '/', '.claude');
  return existsSync(path.join(home, '.credentials.json'))
    ? {method: 'credentialsFile', provider: 'firstParty'}
    : undefined;
}

interface RunResult {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly error: string | undefined;
}

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1024 * 1024;

function run(
  executable: string,
  args: readonly string[],
  {env, timeoutMs}: ProbeOptions,
): Promise<RunResult> {
  return new Promise(resolve => {
    const child = execFile(
      executable,
      args,
      {
        env: {...env, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1'},
        timeout: timeoutMs ?? DEFAULT_TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: MAX_OUTPUT_BYTES,
      },
      (error, stdout, stderr) => {
        const code = child.exitCode ?? undefined;
        const said = error && code === undefined ? describeError(error) : undefined;
        resolve({code, stdout, stderr, error: said});
      },
    );
    child.stdin?.end();
  });
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map(text => text.split('.').map(Number));
  for (const [index, part] of (b ?? []).entries()) {
    const own = a?.[index] ?? 0;
    if (own !== part) return own < part;
  }
  return false;
}

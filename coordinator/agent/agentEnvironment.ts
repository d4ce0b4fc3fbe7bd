/** The environment that attempts of this agent start from, and whether Claude Code is usable in it. */
import path from 'node:path';
import type {Logger} from '../observability/logger.ts';
import type {ClaudeReadiness} from '../protocol/instance.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {AgentOptions} from './agentOptions.ts';
import {attemptEnvironment, type Environment} from './claudeSetup/attemptEnvironment.ts';
import {withConfigurationFolder, withoutModelAccess} from './claudeSetup/authentication.ts';
import {probeClaude} from './claudeSetup/probeClaude.ts';

/** Ours, such as the token by which this agent joined: not for the work. */
const OWN_PREFIX = 'MCPX_';
/** What a rehearsal needs of the environment to reach its scripted server. */
const REHEARSAL_VARIABLES = ['ANTHROPIC_BASE_URL', 'ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'];
const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

export interface ReadyEnvironment {
  readonly environment: Environment;
  readonly claude: ClaudeReadiness;
  readonly executable: string | undefined;
  /** Slots have configuration folders of their own where the login allows it. */
  ofSlot(slot: number): Environment;
}

export async function prepareEnvironment(
  options: AgentOptions,
  stateDirectory: string,
): Promise<ReadyEnvironment> {
  const environment = baseEnvironment(options);
  const ofSlot = (slot: number): Environment =>
    withConfigurationFolder(environment, path.join(stateDirectory, 'claude', `slot-${slot}`));
  if (options.claude === 'off' || options.promptDriver)
    return {environment, claude: {kind: 'disabled'}, executable: undefined, ofSlot};
  const probe = await probeClaude({env: ofSlot(0), executable: options.claude?.executable});
  const {logger} = options;
  switch (probe.kind) {
    case 'ready': {
      const {version, path: executable, authentication} = probe;
      logger.info('Claude Code is ready', {version, executable, login: authentication.method});
      return {
        environment,
        claude: {kind: 'ready', version, authentication: authentication.method, path: executable},
        executable,
        ofSlot,
      };
    }
    case 'missing':
      logger.warn('there is no Claude Code: this agent takes no prompts', {hint: probe.hint});
      return {environment, claude: {kind: 'missing', hint: probe.hint}, executable: undefined, ofSlot};
    case 'unauthenticated':
      logger.warn('Claude Code is not signed in: this agent takes no prompts', {hint: probe.hint});
      return {
        environment,
        claude: {kind: 'unauthenticated', hint: probe.hint},
        executable: undefined,
        ofSlot,
      };
    case 'broken':
      logger.warn('Claude Code does not work: this agent takes no prompts', probeFault(probe));
      return {environment, claude: {kind: 'broken', message: probe.message}, executable: undefined, ofSlot};
  }
}

function baseEnvironment({env, rehearsal}: AgentOptions): Environment {
  const foreign = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith(OWN_PREFIX)));
  const environment = attemptEnvironment(foreign);
  if (!rehearsal) return environment;
  const url = environment['ANTHROPIC_BASE_URL'];
  if (url === undefined || !LOOPBACK.has(new URL(url).hostname))
    throw new CoordinatorError('config', 'a rehearsal needs its scripted server, and would call a model', {
      hint: 'ANTHROPIC_BASE_URL has to be the address of the rehearsal server on this machine.',
    });
  const kept = REHEARSAL_VARIABLES.flatMap(name => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {...withoutModelAccess(environment), ...Object.fromEntries(kept)};
}

function probeFault(probe: {readonly message: string; readonly hint: string}): Parameters<Logger['warn']>[1] {
  return {message: probe.message, hint: probe.hint};
}

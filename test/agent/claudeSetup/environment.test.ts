/** The environment of an attempt: what is kept, what is taken away, and which configuration folder follows from the login. */
import assert from 'node:assert/strict';
import {attemptEnvironment} from '../../../coordinator/agent/claudeSetup/attemptEnvironment.ts';
import {
  environmentLogin,
  withConfigurationFolder,
  withoutModelAccess,
} from '../../../coordinator/agent/claudeSetup/authentication.ts';

describe('attempt environment', () => {
  it('keeps what a user set and drops what describes the process we come from', () => {
    const env = attemptEnvironment({
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy',
      ELECTRON_RUN_AS_NODE: '1',
      VSCODE_PID: '7',
      VSCODE_IPC_HOOK: 'x',
      NODE_OPTIONS: '--inspect',
      CLAUDECODE: '1',
      MCPX_ATTEMPT_ID: 'outer',
      NOTHING: undefined,
    });
    assert.deepEqual(env, {
      PATH: '/bin',
      HTTPS_PROXY: 'http://proxy',
      CLAUDE_CODE_MAX_RETRIES: '8',
      DISABLE_AUTOUPDATER: '1',
    });
  });

  it('lets the user win over a default and the task over both', () => {
    const env = attemptEnvironment(
      {CLAUDE_CODE_MAX_RETRIES: '9', A: 'user'},
      {A: 'task', NODE_OPTIONS: '--wanted'},
    );
    assert.equal(env['CLAUDE_CODE_MAX_RETRIES'], '9');
    assert.equal(env['A'], 'task');
    assert.equal(env['NODE_OPTIONS'], '--wanted');
  });
});

describe('login of an environment', () => {
  const logins: [Record<string, string>, ReturnType<typeof environmentLogin>][] = [
    [{}, undefined],
    [{ANTHROPIC_API_KEY: ''}, undefined],
    [{ANTHROPIC_API_KEY: 'k'}, 'apiKey'],
    [{CLAUDE_CODE_OAUTH_TOKEN: 't'}, 'token'],
    [{ANTHROPIC_AUTH_TOKEN: 't'}, 'token'],
    [{CLAUDE_CODE_USE_BEDROCK: '1', ANTHROPIC_API_KEY: 'k'}, 'cloud'],
    [{CLAUDE_CODE_USE_VERTEX: '0'}, undefined],
  ];
  for (const [env, login] of logins) {
    it(`is ${login ?? 'none'} for ${JSON.stringify(env)}`, () => assert.equal(environmentLogin(env), login));
  }

  it('gives a private configuration folder only where it hides no login', () => {
    const folderOf = (env: Record<string, string>) =>
      withConfigurationFolder(env, '/slot')['CLAUDE_CONFIG_DIR'];
    assert.equal(folderOf({ANTHROPIC_API_KEY: 'k'}), '/slot');
    assert.equal(folderOf({}), undefined);
    assert.equal(folderOf({ANTHROPIC_API_KEY: 'k', CLAUDE_CONFIG_DIR: '/own'}), '/own');
  });

  it('leaves a rehearsal no way to a real model', () => {
    const env = withoutModelAccess({
      PATH: '/bin',
      ANTHROPIC_API_KEY: 'k',
      CLAUDE_CODE_OAUTH_TOKEN: 't',
      CLAUDE_CODE_USE_BEDROCK: '1',
      ANTHROPIC_BEDROCK_BASE_URL: 'http://b',
      ANTHROPIC_BASE_URL: 'http://a',
      ANTHROPIC_CUSTOM_HEADERS: 'x: y',
    });
    assert.deepEqual(env, {PATH: '/bin'});
  });
});

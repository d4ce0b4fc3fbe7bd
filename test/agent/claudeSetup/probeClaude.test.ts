/** Finding Claude Code and its login with the real executable, and with stand-ins for broken installations. */
import assert from 'node:assert/strict';
import {chmodSync, mkdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {bundledExecutable} from '../../../coordinator/agent/claudeSetup/findClaude.ts';
import {probeClaude} from '../../../coordinator/agent/claudeSetup/probeClaude.ts';
import {temporaryFolder} from '../supervisor/support.ts';

describe('probeClaude', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const real = bundledExecutable() ?? '';
  const none = (): undefined => undefined;
  after(() => folder.remove());

  function environment(more: Record<string, string> = {}): Record<string, string> {
    return {PATH: '/usr/bin:/bin', HOME: folder.path, ...more};
  }

  /** A `claude` on a PATH of its own. */
  function fake(name: string, script: string): string {
    const bin = path.join(folder.path, name);
    mkdirSync(bin, {recursive: true});
    writeFileSync(path.join(bin, 'claude'), `#!/bin/sh\n${script}\n`);
    chmodSync(path.join(bin, 'claude'), 0o755);
    return bin;
  }

  const logins: {name: string; env: Record<string, string>; method: string; provider: string}[] = [
    {name: 'an API key', env: {ANTHROPIC_API_KEY: 'x'}, method: 'api_key', provider: 'firstParty'},
    {name: 'a token', env: {CLAUDE_CODE_OAUTH_TOKEN: 'x'}, method: 'oauth_token', provider: 'firstParty'},
    {name: 'a cloud', env: {CLAUDE_CODE_USE_BEDROCK: '1'}, method: 'third_party', provider: 'bedrock'},
  ];
  for (const {name, env, method, provider} of logins) {
    it(`is ready with ${name} in the environment`, async () => {
      const probe = await probeClaude({env: environment(env), executable: real});
      assert(probe.kind === 'ready', JSON.stringify(probe));
      assert.equal(probe.path, real);
      assert.match(probe.version, /^\d+\.\d+\.\d+$/);
      assert.deepEqual(probe.authentication, {method, provider});
    });
  }

  it('is ready with a login in the user’s configuration, and no longer when a private one hides it', async () => {
    const home = path.join(folder.path, 'home');
    mkdirSync(path.join(home, '.claude'), {recursive: true});
    const login = {
      claudeAiOauth: {
        accessToken: 'a',
        refreshToken: 'b',
        expiresAt: 4102444800000,
        scopes: ['user:inference'],
      },
    };
    writeFileSync(path.join(home, '.claude', '.credentials.json'), JSON.stringify(login));
    const open = await probeClaude({env: environment({HOME: home}), executable: real});
    assert(open.kind === 'ready', JSON.stringify(open));
    assert.equal(open.authentication.method, 'claude.ai');
    const hidden = environment({HOME: home, CLAUDE_CONFIG_DIR: path.join(folder.path, 'private')});
    assert.equal((await probeClaude({env: hidden, executable: real})).kind, 'unauthenticated');
  });

  it('says how to sign in where no login is', async () => {
    const probe = await probeClaude({env: environment(), executable: real});
    assert(probe.kind === 'unauthenticated');
    assert.match(probe.hint, /claude auth login/);
  });

  it('says how to install where there is none', async () => {
    const probe = await probeClaude({env: environment(), bundled: none});
    assert(probe.kind === 'missing');
    assert.match(probe.hint, /Install Claude Code/);
  });

  it('names the path of the settings when nothing is there', async () => {
    const probe = await probeClaude({env: environment(), executable: '/nowhere/claude'});
    assert(probe.kind === 'missing');
    assert.match(probe.hint, /\/nowhere\/claude/);
  });

  it('prefers the user’s own claude on the PATH', async () => {
    const good = fake(
      'two',
      'case "$1" in --version) echo "2.1.400 (Claude Code)";; *) echo \'{"loggedIn":true,"authMethod":"claude.ai"}\';; esac',
    );
    const probe = await probeClaude({env: environment({PATH: `${good}:/usr/bin:/bin`})});
    assert(probe.kind === 'ready', JSON.stringify(probe));
    assert.equal(probe.path, path.join(good, 'claude'));
    assert.equal(probe.source, 'path');
  });

  const damages: {name: string; script: string; message: RegExp}[] = [
    {name: 'fails', script: 'echo "cannot execute" >&2; exit 1', message: /cannot execute/},
    {name: 'is something else', script: 'echo hello', message: /hello/},
    {name: 'is too old', script: 'echo "1.0.3 (Claude Code)"', message: /1\.0\.3.*newer is needed/},
  ];
  for (const {name, script, message} of damages) {
    it(`takes the bundled executable when the one on the PATH ${name}, and says what is wrong without it`, async () => {
      const bin = fake(name.replaceAll(' ', '-'), script);
      const env = environment({PATH: `${bin}:/usr/bin:/bin`, ANTHROPIC_API_KEY: 'x'});
      const with_ = await probeClaude({env});
      assert(with_.kind === 'ready', JSON.stringify(with_));
      assert.equal(with_.source, 'bundled');
      const without = await probeClaude({env, bundled: none});
      assert(without.kind === 'broken');
      assert.match(without.message, message);
    });
  }

  it('does not wait for an executable that hangs', async () => {
    const bin = fake('hangs', 'exec sleep 100');
    const probe = await probeClaude({
      env: environment(),
      executable: path.join(bin, 'claude'),
      timeoutMs: 300,
    });
    assert.equal(probe.kind, 'broken');
  });
});

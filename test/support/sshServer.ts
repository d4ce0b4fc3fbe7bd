/** A real sshd of a test's own on loopback: throwaway keys, its own configuration, a high port. Installed by apt only where that was asked for. */
import assert from 'node:assert/strict';
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {aptInstall} from './aptInstall.ts';
import {freePort} from './freePorts.ts';
import {found, within} from './waiting.ts';

const SSHD = '/usr/sbin/sshd';

/** Why there is no sshd; undefined when there is one. With CI=true or MCPX_TEST_INSTALL=1 it is installed first. */
export function missingSshServer(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux is set up for it';
  if (!existsSync(SSHD) && (process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1'))
    aptInstall(['openssh-server', 'openssh-client']);
  return existsSync(SSHD) ? undefined : 'openssh-server is not installed (CI=true or --install does it)';
}

export class SshServer {
  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  /** Whoever logs in gets `env` over an environment that sshd makes. */
  static async start(folder: string, env: Readonly<Record<string, string>>): Promise<SshServer> {
    for (const key of ['host', 'user'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, key)]);
    const port = await freePort();
    writeFileSync(path.join(folder, 'authorized'), readFileSync(path.join(folder, 'user.pub')));
    const hostKey = readFileSync(path.join(folder, 'host.pub'), 'utf8');
    writeFileSync(path.join(folder, 'known'), `[127.0.0.1]:${port} ${hostKey}`);
    writeFileSync(path.join(folder, 'sshd.conf'), configuration(folder, port, env));
    // As root it wants a folder to drop its privileges in.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', {recursive: true});
    const child = spawn(SSHD, ['-D', '-e', '-f', path.join(folder, 'sshd.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await found(
      () => {
        assert.ok(child.exitCode === null, said);
        return said.includes('Server listening') || undefined;
      },
      20_000,
      'sshd to listen',
    );
    return new SshServer(folder, port, child);
  }

  get destination(): string {
    return `${os.userInfo().username}@127.0.0.1`;
  }

  /** What `mcpx machine add` is told after --ssh-option. */
  get options(): string[] {
    return [
      `Port=${this.port}`,
      `IdentityFile=${path.join(this.folder, 'user')}`,
      'IdentitiesOnly=yes',
      `UserKnownHostsFile=${path.join(this.folder, 'known')}`,
    ];
  }

  async stop(): Promise<void> {
    const ended = new Promise<void>(resolve => this.child.once('exit', () => resolve()));
    this.child.kill('SIGTERM');
    await within(ended, 10_000, 'sshd to end');
  }
}

function configuration(folder: string, port: number, env: Readonly<Record<string, string>>): string {
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${path.join(folder, 'host')}`,
    `AuthorizedKeysFile ${path.join(folder, 'authorized')}`,
    'PidFile none',
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitRootLogin prohibit-password',
    `SetEnv ${Object.entries(env)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
  ];
  return `${lines.join('\n')}\n`;
}

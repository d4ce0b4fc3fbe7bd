/** Another machine's network on this one: a network namespace of Linux, joined to ours by a pair of virtual Ethernet devices. Needs root and iproute2. */
import {spawnSync} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {setTimeout as pause} from 'node:timers/promises';
import {findOnPath} from '../vscode/standIn/parts.ts';

const APT_LIMIT_MS = 120_000;
/** For measuring networks: nobody routes it, so nobody here uses it. */
const NETWORK = '198.18';
const DEAD_AFTER_MS = 5000;

export type Support = {readonly kind: 'ready'} | {readonly kind: 'missing'; readonly why: string};

/** With `install` it fetches iproute2 where apt may. */
export function namespaceSupport(install: boolean): Support {
  const missing = (why: string): Support => ({kind: 'missing', why: `network namespaces: ${why}`});
  if (process.platform !== 'linux') return missing(`need Linux, this is ${process.platform}`);
  if (process.getuid?.() !== 0) return missing('need root');
  if (findOnPath('ip', process.env) === undefined && install) installIproute();
  if (findOnPath('ip', process.env) === undefined) return missing('need ip, of the package iproute2');
  const probe = `mcpx-probe-${randomBytes(4).toString('hex')}`;
  const made = spawnSync('ip', ['netns', 'add', probe], {encoding: 'utf8'});
  if (made.status !== 0) return missing(made.stderr.trim());
  run('netns', 'delete', probe);
  return {kind: 'ready'};
}

export class NetworkNamespace {
  private constructor(
    readonly name: string,
    /** Our address, as the namespace sees us. */
    readonly outside: string,
    /** The namespace's address, as we see it. */
    readonly inside: string,
    private readonly device: string,
  ) {}

  static create(): NetworkNamespace {
    const id = randomBytes(3).toString('hex');
    // A network of four addresses; the lowest bits are ours.
    const [high = 0, low = 0] = randomBytes(2);
    const address = (host: number): string => `${NETWORK}.${high}.${(low & ~3) + host}`;
    const made = new NetworkNamespace(`mcpx-${id}`, address(1), address(2), `mcpx${id}o`);
    const peer = `mcpx${id}i`;
    try {
      run('netns', 'add', made.name);
      run('link', 'add', made.device, 'type', 'veth', 'peer', 'name', peer, 'netns', made.name);
      run('address', 'add', `${made.outside}/30`, 'dev', made.device);
      run('link', 'set', made.device, 'up');
      run('-n', made.name, 'address', 'add', `${made.inside}/30`, 'dev', peer);
      run('-n', made.name, 'link', 'set', peer, 'up');
      run('-n', made.name, 'link', 'set', 'lo', 'up');
    } catch (error) {
      made.delete();
      throw error;
    }
    return made;
  }

  /** What a command line begins with to run in it. The process is the command itself, not one of ours around it. */
  get through(): readonly string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** Ends what still runs in it, then removes it and the devices. */
  async leave(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const pid of this.processes()) process.kill(pid, signal);
      const until = performance.now() + DEAD_AFTER_MS;
      while (this.processes().length > 0 && performance.now() < until) await pause(50);
    }
    this.delete();
  }

  private processes(): number[] {
    const {stdout} = spawnSync('ip', ['netns', 'pids', this.name], {encoding: 'utf8'});
    return (stdout ?? '').split('\n').filter(Boolean).map(Number);
  }

  /** The devices go with it; ours is named as well, in case the other end never came to be. */
  private delete(): void {
    spawnSync('ip', ['link', 'delete', this.device]);
    spawnSync('ip', ['netns', 'delete', this.name]);
  }
}

function run(...args: string[]): void {
  const {status, stderr, error} = spawnSync('ip', args, {encoding: 'utf8'});
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}

function installIproute(): void {
  if (findOnPath('apt-get', process.env) === undefined) return;
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive'};
  const options = {env, timeout: APT_LIMIT_MS, stdio: 'ignore'} as const;
  const apt = (...args: string[]): boolean =>
    spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=60', ...args], options).status === 0;
  console.log('  installing with apt: iproute2');
  if (apt('update')) apt('install', '--yes', '--no-install-recommends', 'iproute2');
}

/** Real etcd of a test's own on loopback, of one member or several, in a temporary folder. Installed by apt only where that was asked for. */
import {type ChildProcess, spawn} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {Etcd3, type IOptions} from 'etcd3';
import {aptInstall} from './aptInstall.ts';
import {freePorts} from './freePorts.ts';
import {within} from './waiting.ts';

const START_TIMEOUT_MS = 60_000;
const TRY_MS = 1000;

/** Servers that run: none outlives this process. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Why there is no etcd; undefined when there is one. With CI=true or MCPX_TEST_INSTALL=1 it is installed first. */
export function missingEtcd(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux is set up for it';
  if (!etcdProgram() && (process.env['CI'] === 'true' || process.env['MCPX_TEST_INSTALL'] === '1'))
    // The package would start a server of its own on the usual port.
    aptInstall(['etcd-server'], {RUNLEVEL: '1'});
  return etcdProgram() ? undefined : 'etcd-server is not installed (CI=true or --install does it)';
}

export function etcdProgram(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return ['/usr/bin', ...folders].map(folder => path.join(folder, 'etcd')).find(file => existsSync(file));
}

/** PEM files of the server, and the authority that it wants its clients' certificates from. */
export interface ServerFiles {
  readonly certificate: string;
  readonly key: string;
  readonly clientAuthority?: string | undefined;
}

export interface EtcdOptions {
  readonly members?: number;
  readonly tls?: ServerFiles;
  /** Appended to each member's command line. */
  readonly args?: readonly string[];
}

export class EtcdServer {
  private readonly children = new Map<number, ChildProcess>();

  private constructor(
    readonly folder: string,
    /** `host:port` for clients, by member. */
    readonly endpoints: readonly string[],
    private readonly peers: readonly string[],
    private readonly options: EtcdOptions,
  ) {}

  /** Resolves when a majority answers. Stop it, whatever happens. */
  static async start(options: EtcdOptions = {}): Promise<EtcdServer> {
    const {members = 1} = options;
    const ports = await freePorts(members * 2);
    const at = (port: number): string => `127.0.0.1:${port}`;
    const folder = mkdtempSync(path.join(tmpdir(), 'mcpx-etcd-'));
    const server = new EtcdServer(
      folder,
      ports.slice(0, members).map(at),
      ports.slice(members).map(at),
      options,
    );
    try {
      for (let member = 0; member < members; member++) server.run(member);
      if (!options.tls) await server.answers();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** `etcd://` for `--store`. */
  get url(): string {
    return `etcd://${this.endpoints.join(',')}`;
  }

  /** A client of the tests' own, past the driver. */
  client(options: Partial<IOptions> = {}): Etcd3 {
    const scheme = this.options.tls ? 'https' : 'http';
    return new Etcd3({hosts: this.endpoints.map(endpoint => `${scheme}://${endpoint}`), ...options});
  }

  /** The member that leads. */
  async leader(): Promise<number> {
    const client = this.client();
    try {
      const {leader} = await client.maintenance.status();
      const {members} = await client.cluster.memberList({});
      return Number(members.find(({ID}) => ID === leader)?.name.slice(1));
    } finally {
      client.close();
    }
  }

  /** Starts a member on what it has on disk. */
  run(member: number): void {
    const scheme = this.options.tls ? 'https' : 'http';
    const client = `${scheme}://${this.endpoints[member]}`;
    const peer = `http://${this.peers[member]}`;
    const cluster = this.peers.map((address, index) => `m${index}=http://${address}`).join(',');
    const {tls} = this.options;
    const args = [
      ...['--name', `m${member}`, '--data-dir', path.join(this.folder, `m${member}`)],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--initial-cluster', cluster, '--initial-cluster-token', path.basename(this.folder)],
      ...['--logger', 'zap', '--log-level', 'error', '--log-outputs', this.logFile(member)],
      ...(tls ? ['--cert-file', tls.certificate, '--key-file', tls.key] : []),
      ...(tls?.clientAuthority ? ['--client-cert-auth', '--trusted-ca-file', tls.clientAuthority] : []),
      ...(this.options.args ?? []),
    ];
    const child = spawn(etcdProgram() ?? 'etcd', args, {stdio: 'ignore'});
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.children.set(member, child);
  }

  pid(member: number): number | undefined {
    return this.children.get(member)?.pid;
  }

  /** As a power cut does. */
  async kill(member: number): Promise<void> {
    await this.end(member, 'SIGKILL');
  }

  /** SIGSTOP and SIGCONT. */
  signal(member: number, signal: NodeJS.Signals): void {
    this.children.get(member)?.kill(signal);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.children.keys()].map(member => this.end(member, 'SIGKILL')));
    await rm(this.folder, {recursive: true, force: true});
  }

  /** Resolves when a write goes through. */
  async answers(options: Partial<IOptions> = {}): Promise<void> {
    const client = this.client(options);
    const until = performance.now() + START_TIMEOUT_MS;
    try {
      for (;;) {
        try {
          await client.kv.range({key: Buffer.from('is it there')}, {deadline: Date.now() + TRY_MS});
          return;
        } catch (error) {
          const ended = [...this.children].find(([, child]) => child.exitCode !== null);
          if (ended) throw new Error(`etcd ended: ${this.log(ended[0])}`, {cause: error});
          if (performance.now() > until) throw error;
        }
      }
    } finally {
      client.close();
    }
  }

  private log(member: number): string {
    return existsSync(this.logFile(member)) ? readFileSync(this.logFile(member), 'utf8') : '';
  }

  private logFile(member: number): string {
    return path.join(this.folder, `m${member}.log`);
  }

  private async end(member: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.children.get(member);
    if (!child) return;
    this.children.delete(member);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>(resolve => child.once('exit', () => resolve()));
    child.kill(signal);
    await within(ended, 10_000, 'etcd to end');
  }
}

/** A code-server of its own on loopback: VS Code's server with its Node extension host, without a window. */
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createWriteStream} from 'node:fs';
import {get} from 'node:http';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {setTimeout as pause} from 'node:timers/promises';
import {freePort} from '../../support/freePorts.ts';
import type {Environment} from '../../support/npmCache.ts';
import type {Parts} from './parts.ts';

const START_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 10_000;
const PROBE_EVERY_MS = 100;

/** What a VS Code around us tells its own children. */
const OF_ANOTHER_EDITOR = /^VSCODE_/;
const HOST_ENDED = /Extension Host Process exited with code: (\S+), signal: (\S+?)\.?$/;

export interface ServerFolders {
  /** For its log and sockets. */
  readonly folder: string;
  readonly userData: string;
  readonly extensionsFolder: string;
}

export interface ServerOptions extends ServerFolders {
  readonly env: Environment;
  /** By the smoke-test driver, which forwards the console and reports the end of a suite, and hides toasts. */
  readonly isDriven: boolean;
  /** Whether folders are trusted as they are, without a question. */
  readonly trustsAll: boolean;
  readonly onHostEnded: (why: string) => void;
}

/** Installs a packaged extension, as a person does from the command line. */
export function installExtension(parts: Parts, folders: ServerFolders, env: Environment, vsix: string): void {
  const args = [parts.codeServer, ...folderArguments(folders), '--install-extension', vsix];
  execFileSync(parts.node, args, {
    env: {...env, EXTENSIONS_GALLERY: '{}'},
    stdio: 'pipe',
    timeout: START_LIMIT_MS,
  });
}

export class CodeServer {
  private constructor(
    readonly port: number,
    readonly logFile: string,
    private readonly child: ChildProcess,
  ) {}

  /** Resolves when it serves. */
  static async start(parts: Parts, options: ServerOptions): Promise<CodeServer> {
    const port = await freePort();
    const inherited = Object.entries(options.env).filter(([name]) => !OF_ANOTHER_EDITOR.test(name));
    const child = spawn(parts.node, serverArguments(parts, options, port), {
      // No gallery: tests use what is here.
      env: {...Object.fromEntries(inherited), EXTENSIONS_GALLERY: '{}'},
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const server = new CodeServer(port, path.join(options.folder, 'server.log'), child);
    const log = createWriteStream(server.logFile);
    child.stdout.pipe(log, {end: false});
    child.stderr.pipe(log, {end: false});
    createInterface({input: child.stdout}).on('line', line => {
      const ended = HOST_ENDED.exec(line);
      if (ended) options.onHostEnded(`the extension host ended: code ${ended[1]}, signal ${ended[2]}`);
    });
    try {
      await server.ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The whole process group. */
  async stop(): Promise<void> {
    const ended = this.running ? once(this.child, 'exit') : undefined;
    this.signal('SIGTERM');
    await Promise.race([ended, pause(STOP_LIMIT_MS, undefined, {ref: false})]);
    this.signal('SIGKILL');
  }

  private get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  private signal(name: NodeJS.Signals): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, name);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }

  private async ready(): Promise<void> {
    const until = performance.now() + START_LIMIT_MS;
    while (!(await answers(this.port))) {
      if (!this.running || performance.now() > until)
        throw new Error(`code-server did not start: see ${this.logFile}`);
      await pause(PROBE_EVERY_MS);
    }
  }
}

/** Where the server keeps things, which is the same for whatever it is asked. */
function folderArguments({folder, userData, extensionsFolder}: ServerFolders): string[] {
  return [
    ...['--config', path.join(folder, 'config.yaml')],
    ...['--user-data-dir', userData],
    ...['--extensions-dir', extensionsFolder],
  ];
}

function serverArguments(parts: Parts, options: ServerOptions, port: number): string[] {
  return [
    parts.codeServer,
    ...folderArguments(options),
    ...['--session-socket', path.join(options.folder, 'session.sock')],
    ...['--bind-addr', `127.0.0.1:${port}`],
    ...['--auth', 'none'],
    '--disable-telemetry',
    '--disable-update-check',
    '--disable-getting-started-override',
    '--ignore-last-opened',
    ...(options.trustsAll ? ['--disable-workspace-trust'] : []),
    ...(options.isDriven ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
  ];
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    get({host: '127.0.0.1', port, path: '/healthz'}, response => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

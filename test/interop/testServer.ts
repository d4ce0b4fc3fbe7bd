/** The servers of the conformance scenarios, as processes: over HTTP for a test that talks to them, and as a command for who starts them. */
import {spawn} from 'node:child_process';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {bundle} from '../support/bundle.ts';

/** Of both eras, or of the older one alone. */
export type ServerEras = 'both' | 'legacy';

export interface RunningServer {
  readonly url: string;
  stop(): Promise<void>;
}

const FILE = 'server.mjs';

export class TestServers {
  private constructor(private readonly folder: string) {}

  /** As one file without TypeScript, which is there as soon as other people's servers are: some scenarios wait for less than a second. */
  static async build(): Promise<TestServers> {
    const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-servers-'));
    await bundle(fileURLToPath(new URL('servers/main.ts', import.meta.url)), path.join(folder, FILE));
    return new TestServers(folder);
  }

  /** What starts one that speaks over its standard input and output. */
  stdio(eras: ServerEras): {type: 'stdio'; command: string; args: string[]; env: Record<string, string>} {
    return {type: 'stdio', command: process.execPath, args: [this.file, eras, 'stdio'], env: {}};
  }

  async http(eras: ServerEras): Promise<RunningServer> {
    const child = spawn(process.execPath, [this.file, eras, 'http'], {stdio: ['ignore', 'pipe', 'inherit']});
    const ended = new Promise<void>(resolve => child.once('close', () => resolve()));
    const url = await new Promise<string>((resolve, reject) => {
      createInterface(child.stdout).once('line', resolve);
      child.once('error', reject);
      void ended.then(() => reject(new Error(`the server ended with ${child.exitCode ?? child.signalCode}`)));
    });
    return {
      url,
      stop: async () => {
        child.kill();
        await ended;
      },
    };
  }

  dispose(): Promise<void> {
    return rm(this.folder, {recursive: true, force: true});
  }

  private get file(): string {
    return path.join(this.folder, FILE);
  }
}

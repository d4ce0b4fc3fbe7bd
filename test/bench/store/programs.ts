/** The benchmark's own processes, bundled as the product is: a loader that names every closure anew would slow the clients. */
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import {BenchProcess} from '../processes.ts';

const NAMES = ['ourClient', 'etcdClient', 'memberProcess'] as const;
export type ProgramName = (typeof NAMES)[number];

const HERE = path.dirname(fileURLToPath(import.meta.url));

export class Programs {
  private started = 0;

  private constructor(
    private readonly folder: string,
    private readonly logs: string,
  ) {}

  static async build(root: string, logs: string): Promise<Programs> {
    const folder = path.join(root, 'out', 'bench');
    await build({
      absWorkingDir: root,
      entryPoints: Object.fromEntries(NAMES.map(name => [name, path.join(HERE, `${name}.ts`)])),
      outdir: folder,
      outExtension: {'.js': '.mjs'},
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'warning',
    });
    return new Programs(folder, logs);
  }

  /** It reads its options as JSON from its first argument and answers questions over its channel. */
  start(name: ProgramName, options: object, nodeFlags: readonly string[] = []): BenchProcess {
    this.started += 1;
    const logFile = path.join(this.logs, `${name}-${this.started}.log`);
    const args = [...nodeFlags, path.join(this.folder, `${name}.mjs`), JSON.stringify(options)];
    return BenchProcess.start(process.execPath, args, {logFile, ipc: true});
  }
}

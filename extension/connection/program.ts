/**
 * The bundled `mcpx` command as the extension runs it: a copy that outlives updates of the extension, under the editor's own Node, one verb a
 * call, its answer as JSON.
 */
import {spawn} from 'node:child_process';
import {createHash} from 'node:crypto';
import {cp, mkdir, readFile, rename, rm, stat} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../coordinator/observability/logger.ts';
import {COORDINATOR_ERROR_CODES, CoordinatorError} from '../../coordinator/runtime/errors.ts';

export interface ProgramOptions {
  /** Folder of the extension: `dist/mcpx.mjs` and the Agent SDK are in it. */
  readonly extensionFolder: string;
  /** Private folder for copies, which an update does not delete. */
  readonly storageFolder: string;
  /** The editor's executable, which runs as Node. */
  readonly execPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
}

export interface CallOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the verb's standard input, which is then closed. */
  readonly stdin?: string;
  readonly signal?: AbortSignal;
  /** What the verb tells people while it works, a line at a time. */
  readonly onLine?: (line: string) => void;
}

const Failure = z.object({
  error: z.object({code: z.string(), message: z.string(), hint: z.string().optional()}),
});

/** Lines of a verb's messages that are kept for an error of it. */
const MAX_TAIL = 20;

export class Program {
  private copy: Promise<string> | undefined;

  constructor(private readonly options: ProgramOptions) {}

  /** Path of the copy, made when it is not there yet. */
  path(): Promise<string> {
    this.copy ??= this.prepare().catch((error: unknown) => {
      this.copy = undefined;
      throw error;
    });
    return this.copy;
  }

  /** What every child of ours gets: Electron runs as Node, and nothing of the editor's own leaks. */
  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(this.options.env))
      if (value !== undefined && !name.startsWith('VSCODE_') && name !== 'NODE_OPTIONS') env[name] = value;
    return {...env, ELECTRON_RUN_AS_NODE: '1', ...extra};
  }

  /**
   * Runs a verb with `--json` and resolves with the last line of its output. Rejects with the verb's own error and hint, or with the signal's
   * reason; then the verb was ended.
   */
  async call<T extends z.ZodType>(
    schema: T,
    args: readonly string[],
    options: CallOptions = {},
  ): Promise<z.output<T>> {
    const {code, last, tail} = await this.run([...args, '--json'], options).catch((error: unknown) => {
      // Node has an error of its own for what was ended by a signal.
      options.signal?.throwIfAborted();
      throw error;
    });
    options.signal?.throwIfAborted();
    const parsed = parseJson(last);
    const failure = Failure.safeParse(parsed);
    if (failure.success) throw verbError(failure.data.error);
    const answer = schema.safeParse(parsed);
    if (answer.success && code === 0) return answer.data;
    throw new CoordinatorError(
      'internal',
      `mcpx ${args.join(' ')} failed: ${tail.join('\n') || `exit ${code}`}`,
    );
  }

  private async run(
    args: readonly string[],
    {cwd, env, stdin, signal, onLine}: CallOptions,
  ): Promise<{code: number | null; last: string; tail: readonly string[]}> {
    const file = await this.path();
    this.options.logger.debug('runs', {args: args.join(' ')});
    const child = spawn(this.options.execPath, [file, ...args], {
      cwd,
      env: this.environment(env),
      stdio: ['pipe', 'pipe', 'pipe'],
      windowsHide: true,
      signal,
    });
    let last = '';
    const tail: string[] = [];
    readLines(child.stdout, line => {
      if (line.trim() !== '') last = line;
    });
    readLines(child.stderr, line => {
      tail.push(line);
      if (tail.length > MAX_TAIL) tail.shift();
      onLine?.(line);
    });
    // A verb that ends early does not read what is sent to it.
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin ?? '');
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return {code, last, tail};
  }

  /** An update deletes the extension's folder while coordinator and agents run on: they run from a folder named by its content. */
  private async prepare(): Promise<string> {
    const {extensionFolder, storageFolder} = this.options;
    const bundle = path.join(extensionFolder, 'dist', 'mcpx.mjs');
    const digest = createHash('sha256')
      .update(await readFile(bundle))
      .digest('hex')
      .slice(0, 16);
    const folder = path.join(storageFolder, 'programs', digest);
    const file = path.join(folder, 'mcpx.mjs');
    if (await exists(file)) return file;
    const making = `${folder}.${process.pid}`;
    await rm(making, {recursive: true, force: true});
    await mkdir(making, {recursive: true});
    await cp(bundle, path.join(making, 'mcpx.mjs'));
    const sdk = path.join('node_modules', '@anthropic-ai', 'claude-agent-sdk');
    if (await exists(path.join(extensionFolder, sdk)))
      await cp(path.join(extensionFolder, sdk), path.join(making, sdk), {recursive: true, dereference: true});
    const pages = path.join(extensionFolder, 'dist', 'webview');
    if (await exists(pages)) await cp(pages, path.join(making, 'webview'), {recursive: true});
    try {
      await rename(making, folder);
    } catch (error) {
      // Another window was faster.
      if (!(await exists(file))) throw error;
      await rm(making, {recursive: true, force: true});
    }
    return file;
  }
}

function readLines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  stream.on('end', () => {
    if (rest !== '') take(rest);
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const Code = z.enum(COORDINATOR_ERROR_CODES).catch('internal');

function verbError({code, message, hint}: z.infer<typeof Failure>['error']): CoordinatorError {
  return new CoordinatorError(Code.parse(code), message, {hint});
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

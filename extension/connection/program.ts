/**
 * The bundled `mcpx` command as the extension runs it: a copy that outlives updates of the extension, under the editor's own Node, one verb a
 * call, its answer as JSON.
 */
import {spawn} from 'node:child_process';
import {utimes} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Logger} from '../../coordinator/observability/logger.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {
  COORDINATOR_ERROR_CODES,
  CoordinatorError,
  describeError,
  systemErrorCode,
} from '../../coordinator/runtime/errors.ts';
import {parseJson} from '../../coordinator/runtime/json.ts';
import {copyProgram, pruneCopies} from './programCopy.ts';

export interface ProgramOptions {
  /** Folder of the extension: `dist/mcpx.mjs` and the Agent SDK are in it. */
  readonly extensionFolder: string;
  /** Private folder for copies, which an update does not delete. */
  readonly storageFolder: string;
  /** The editor's executable, which runs as Node. */
  readonly execPath: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
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
    await this.markUsed(file);
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

  private async prepare(): Promise<string> {
    const {extensionFolder, storageFolder, clock, logger} = this.options;
    const programs = path.join(storageFolder, 'programs');
    const file = await copyProgram(extensionFolder, programs);
    await this.markUsed(file);
    pruneCopies({programs, now: clock.wallNow(), isAlive: processExists}).catch((error: unknown) =>
      logger.warn('old copies of the program could not be deleted', {error: describeError(error)}),
    );
    return file;
  }

  private async markUsed(file: string): Promise<void> {
    const at = new Date(this.options.clock.wallNow());
    await utimes(path.dirname(file), at, at);
  }
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
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

const Code = z.enum(COORDINATOR_ERROR_CODES).catch('internal');

function verbError({code, message, hint}: z.infer<typeof Failure>['error']): CoordinatorError {
  return new CoordinatorError(Code.parse(code), message, {hint});
}

/**
 * Runs `workspace.setup` in a fresh worktree, or copies in what the same commands left there before.
 *
 * What is kept: files that the commands made and git does not track. By default they are reused only for the very same tree, because the commands
 * may have read any file of it. A plan that names the paths to keep (`node_modules`) and the files that determine them (`package-lock.json`)
 * gets them reused wherever those files are equal. Outputs that contain the worktree's own path are never reused unless they were named.
 */
import {createHash} from 'node:crypto';
import {constants} from 'node:fs';
import {
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {splitNul} from '../../artifacts/git/gitCommand.ts';
import type {GitRepository} from '../../artifacts/git/gitRepository.ts';
import {KeyedLock} from '../../artifacts/keyedLock.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {describeError, systemErrorCode} from '../../runtime/errors.ts';
import {canonicalJson} from '../../runtime/json.ts';
import type {Random} from '../../runtime/random.ts';
import {type AttemptFolder, removeTree} from './attemptFolder.ts';
import {controlOf, excludeNames, excludeOptions, literalPattern} from './attemptRepository.ts';

/** Runs one shell command to its end; `output` is its tail. Rejects with the signal's reason. */
export type RunCommand = (
  command: string,
  cwd: string,
  env: Readonly<Record<string, string>>,
  signal?: AbortSignal,
) => Promise<{readonly code: number; readonly output: string}>;

export interface WorkspaceSetup {
  readonly commands: readonly string[];
  /** Part of what decides about reuse: leave out what differs from attempt to attempt. */
  readonly env: Readonly<Record<string, string>>;
  /** Paths to keep, and pathspecs of the files that determine them. */
  readonly cache?: {readonly paths: readonly string[]; readonly key: readonly string[]} | undefined;
}

export type SetupResult =
  | {readonly kind: 'ready'; readonly reused: boolean; readonly warnings: readonly string[]}
  | {readonly kind: 'failed'; readonly command: string; readonly code: number; readonly output: string};

export interface SetupCacheOptions {
  /** Absolute path. */
  readonly folder: string;
  readonly runCommand: RunCommand;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Snapshots kept, least recently used first to go. Default 8. */
  readonly maxSnapshots?: number | undefined;
}

export interface SetupRequest {
  readonly cache: GitRepository;
  readonly folder: AttemptFolder;
  readonly start: string;
  readonly setup: WorkspaceSetup;
  /** Digest of the included files: the commands may read them. */
  readonly include: string | undefined;
  readonly included: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

const Manifest = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('snapshot'),
    /** Without trailing slash, relative to the worktree. */
    paths: z.array(z.string()),
    /** Those of them that no ignore rule covers. */
    excluded: z.array(z.string()),
  }),
  /** The outputs name the worktree they were made in: every attempt runs the commands itself. */
  z.object({kind: z.literal('bound')}),
]);
type Manifest = z.infer<typeof Manifest>;

interface Outputs {
  readonly paths: string[];
  readonly excluded: string[];
  readonly warnings: string[];
}

const MAX_SNAPSHOTS = 8;
/** Files beyond this size are not searched for the worktree's path. */
const SEARCHED_BYTES = 1024 ** 2;

export class SetupCache {
  private readonly lock = new KeyedLock();

  constructor(private readonly options: SetupCacheOptions) {}

  async apply(request: SetupRequest): Promise<SetupResult> {
    if (request.setup.commands.length === 0) return {kind: 'ready', reused: false, warnings: []};
    const key = await this.keyOf(request);
    const entry = path.join(this.options.folder, key);
    // The first one works, the others wait for what it leaves instead of doing the same beside it.
    const first = await this.lock.run(key, async (): Promise<SetupResult | undefined> => {
      const manifest = await readManifest(entry);
      if (manifest?.kind === 'bound') return undefined;
      if (manifest && (await this.restore(entry, manifest, request)))
        return {kind: 'ready', reused: true, warnings: []};
      const result = await this.runCommands(request);
      if (result.kind === 'failed') return result;
      await this.keep(entry, request, result.outputs);
      return {kind: 'ready', reused: false, warnings: result.outputs.warnings};
    });
    if (first) return first;
    const result = await this.runCommands(request);
    return result.kind === 'failed'
      ? result
      : {kind: 'ready', reused: false, warnings: result.outputs.warnings};
  }

  private async keyOf({cache, setup, start, include, signal}: SetupRequest): Promise<string> {
    const pathspecs = setup.cache?.key ?? [];
    const listed =
      pathspecs.length > 0 ? await cache.text(['ls-tree', '-r', '-z', '--full-tree', start], {signal}) : '';
    const tree = await cache.text(['rev-parse', `${start}^{tree}`], {signal});
    const determining = listed
      .split('\0')
      .filter(line => pathspecs.some(pattern => matches(pattern, line.slice(line.indexOf('\t') + 1))));
    const content = {
      v: 1,
      commands: setup.commands,
      env: setup.env,
      cache: setup.cache ?? null,
      include: include ?? null,
      inputs: determining.length > 0 ? determining : tree,
      machine: `${process.platform} ${process.arch}`,
    };
    return createHash('sha256').update(canonicalJson(content)).digest('hex');
  }

  private async runCommands(
    request: SetupRequest,
  ): Promise<
    {kind: 'failed'; command: string; code: number; output: string} | {kind: 'done'; outputs: Outputs}
  > {
    const {folder, setup, signal} = request;
    for (const command of setup.commands) {
      const {code, output} = await this.options.runCommand(command, folder.worktree, setup.env, signal);
      if (code !== 0) return {kind: 'failed', command, code, output};
    }
    return {kind: 'done', outputs: await collectOutputs(request)};
  }

  private async restore(entry: string, manifest: Manifest, request: SetupRequest): Promise<boolean> {
    if (manifest.kind !== 'snapshot') return false;
    const {worktree} = request.folder;
    try {
      for (const name of manifest.paths)
        await copyTree(path.join(entry, 'files', name), path.join(worktree, name));
      await excludeNames(request.folder, manifest.excluded.map(literalPattern));
      const now = this.options.clock.wallNow() / 1000;
      await utimes(path.join(entry, 'manifest.json'), now, now);
      return true;
    } catch (error) {
      this.options.logger.warn('a setup snapshot could not be restored; the commands run instead', {
        entry,
        error: describeError(error),
      });
      for (const name of manifest.paths) await removeTree(path.join(worktree, name));
      await removeTree(entry);
      return false;
    }
  }

  private async keep(entry: string, request: SetupRequest, outputs: Outputs): Promise<void> {
    const {worktree} = request.folder;
    const unfinished = `${entry}.tmp-${this.options.random.hex(6)}`;
    try {
      await mkdir(path.join(unfinished, 'files'), {recursive: true, mode: 0o700});
      let bound = false;
      if (!request.setup.cache) {
        for (const name of outputs.paths) bound ||= await mentions(path.join(worktree, name), worktree);
      }
      if (!bound) {
        for (const name of outputs.paths)
          await copyTree(path.join(worktree, name), path.join(unfinished, 'files', name));
      }
      const manifest: Manifest = bound
        ? {kind: 'bound'}
        : {kind: 'snapshot', paths: outputs.paths, excluded: outputs.excluded};
      await writeFile(path.join(unfinished, 'manifest.json'), JSON.stringify(manifest));
      await removeTree(entry);
      await rename(unfinished, entry);
      await this.evict();
    } catch (error) {
      // The worktree is ready all the same; the next attempt runs the commands again.
      this.options.logger.warn('the outputs of the setup commands could not be kept', {
        error: describeError(error),
      });
      await removeTree(unfinished);
    }
  }

  private async evict(): Promise<void> {
    const found: {name: string; at: number}[] = [];
    for (const name of await readdir(this.options.folder)) {
      const manifest = await stat(path.join(this.options.folder, name, 'manifest.json')).catch(
        () => undefined,
      );
      found.push({name, at: manifest?.mtimeMs ?? 0});
    }
    found.sort((a, b) => b.at - a.at);
    for (const {name} of found.slice(this.options.maxSnapshots ?? MAX_SNAPSHOTS)) {
      if (!name.includes('.tmp-')) await removeTree(path.join(this.options.folder, name));
    }
  }
}

/** What the commands made, after undoing what they did to tracked files: that must not be mistaken for the work's own changes. */
async function collectOutputs(request: SetupRequest): Promise<Outputs> {
  const {cache, folder, setup, included, signal} = request;
  const control = controlOf(cache, folder);
  const list = async (...args: string[]): Promise<string[]> => {
    const {stdout} = await control.run([...(await excludeOptions(folder)), 'ls-files', '-z', ...args], {
      signal,
    });
    return splitNul(stdout).map(name => name.toString('utf8'));
  };
  const warnings: string[] = [];
  const changed = [...new Set(await list('--modified', '--deleted'))];
  if (changed.length > 0) {
    const input = changed.map(name => `${name}\0`).join('');
    await control.run(['checkout-index', '--force', '-z', '--stdin'], {signal, input});
    warnings.push(
      `workspace.setup changed tracked files; they were restored: ${changed.slice(0, 10).join(', ')}`,
    );
  }
  const others = ['--others', '--exclude-standard', '--directory'];
  const untracked = await list(...others, '--no-empty-directory');
  const ignored = await list(...others, '--ignored');
  await excludeNames(folder, untracked.map(literalPattern));
  const bare = (name: string): string => name.replace(/\/$/, '');
  const excluded = untracked.map(bare);
  const own = new Set(included);
  const made = setup.cache ? setup.cache.paths.map(bare) : [...ignored.map(bare), ...excluded];
  const paths: string[] = [];
  for (const name of new Set(made)) {
    if (!own.has(name) && isInside(name) && (await exists(path.join(folder.worktree, name))))
      paths.push(name);
  }
  return {paths, excluded, warnings};
}

async function readManifest(entry: string): Promise<Manifest | undefined> {
  try {
    const parsed = Manifest.safeParse(JSON.parse(await readFile(path.join(entry, 'manifest.json'), 'utf8')));
    return parsed.success ? parsed.data : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Copies sharing blocks where the file system can, with modes, times and links as they are. */
async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(path.dirname(to), {recursive: true});
  await cp(from, to, {
    recursive: true,
    mode: constants.COPYFILE_FICLONE,
    preserveTimestamps: true,
    verbatimSymlinks: true,
  });
}

/** Whether a file or link below `at` contains the text `needle`. */
async function mentions(at: string, needle: string): Promise<boolean> {
  const found = await lstat(at);
  if (found.isSymbolicLink()) return (await readlink(at)).includes(needle);
  if (found.isDirectory()) {
    for (const name of await readdir(at)) if (await mentions(path.join(at, name), needle)) return true;
    return false;
  }
  return found.isFile() && found.size <= SEARCHED_BYTES && (await readFile(at)).includes(needle);
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

function isInside(name: string): boolean {
  return name !== '' && !path.isAbsolute(name) && !name.split('/').includes('..') && !name.includes('\uFFFD');
}

/** A file's name at any depth, or a path from the root; `*` stands for anything but "/". */
function matches(pattern: string, name: string): boolean {
  const subject = pattern.includes('/') ? name : name.slice(name.lastIndexOf('/') + 1);
  const expression = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${expression.join('[^/]*')}$`).test(subject);
}

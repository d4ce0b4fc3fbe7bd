/**
 * Runs the `git` executable: no shell, no prompts, no inherited `GIT_*` state, nothing that a repository could make us execute. What is run, and
 * in which repository, is decided by the callers.
 *
 * `isolated` ignores every configuration outside the repository, so that equal inputs give equal commits on every machine. `reading` is for a
 * person's own repository: their configuration counts (filters, line ends, credentials), their hooks do not run and their files are not refreshed.
 * `acting` is for what a person asked for in their own name: hooks, signing and identity are theirs.
 */
import {spawn} from 'node:child_process';
import {statfs} from 'node:fs/promises';
import os from 'node:os';
import {CoordinatorError} from '../../runtime/errors.ts';

export type GitProfile = 'isolated' | 'reading' | 'acting';

export interface GitRun {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly input?: string | Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Exit codes that are answers rather than faults, besides 0. */
  readonly okCodes?: readonly number[] | undefined;
  /** Default 256 MiB. */
  readonly maxOutputBytes?: number | undefined;
}

export interface GitOutput {
  readonly code: number;
  readonly stdout: Buffer;
  /** The last `STDERR_CHARACTERS` of it. */
  readonly stderr: string;
}

/** `merge-tree --write-tree` and its `-z` output are what sets this bound. */
export const MINIMUM_GIT_VERSION = '2.39';

const MAX_OUTPUT_BYTES = 256 * 1024 ** 2;
const STDERR_CHARACTERS = 4000;
/** Less free space than this after a failure explains the failure. */
const FULL_DISK_BYTES = 1024 ** 2;

/** Holds for every profile but `acting`. */
const NOTHING_RUNS = [
  `core.hooksPath=${os.devNull}`,
  'core.fsmonitor=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'fetch.writeCommitGraph=false',
  'fetch.prune=false',
  'submodule.recurse=false',
  'fetch.recurseSubmodules=false',
  'commit.gpgSign=false',
  'log.showSignature=false',
  'protocol.ext.allow=never',
];

const SAME_EVERYWHERE = [
  'core.autocrlf=false',
  'core.safecrlf=false',
  'core.longPaths=true',
  `core.attributesFile=${os.devNull}`,
  `core.excludesFile=${os.devNull}`,
  'merge.renames=true',
  'merge.renameLimit=7000',
  'merge.directoryRenames=conflict',
  'merge.conflictStyle=zdiff3',
  'diff.algorithm=histogram',
];

const CONFIG: Readonly<Record<GitProfile, readonly string[]>> = {
  isolated: [...NOTHING_RUNS, ...SAME_EVERYWHERE],
  reading: NOTHING_RUNS,
  acting: ['protocol.ext.allow=never', 'core.longPaths=true'],
};

/** Of a person's `GIT_*` variables these say who they are and how they connect; all others name a repository or its state. */
const PERSONAL =
  /^GIT_(ASKPASS|SSH|SSH_.*|SSL_.*|HTTP_.*|PROXY_.*|CONFIG_.*|(AUTHOR|COMMITTER)_(NAME|EMAIL))$/;

export class Git {
  private readonly env: Readonly<Record<string, string>>;
  private readonly config: readonly string[];

  constructor(
    readonly profile: GitProfile,
    inherited: Readonly<Record<string, string | undefined>>,
    private readonly executable = 'git',
  ) {
    this.env = environment(profile, inherited);
    this.config = CONFIG[profile].flatMap(setting => ['-c', setting]);
  }

  /** Errors: `git` with the command and the end of its stderr; `diskFull`; `limit` (output); the signal's reason. */
  async run(args: readonly string[], options: GitRun): Promise<GitOutput> {
    options.signal?.throwIfAborted();
    const output = await this.execute(args, options);
    options.signal?.throwIfAborted();
    if (output.code === 0 || options.okCodes?.includes(output.code)) return output;
    throw await failure(args, options.cwd, `exit code ${output.code}`, output.stderr);
  }

  /** Standard output as text, without its last line end. */
  async text(args: readonly string[], options: GitRun): Promise<string> {
    return (await this.run(args, options)).stdout.toString('utf8').replace(/\r?\n$/, '');
  }

  private execute(args: readonly string[], options: GitRun): Promise<GitOutput> {
    const limit = options.maxOutputBytes ?? MAX_OUTPUT_BYTES;
    return new Promise((resolve, reject) => {
      const child = spawn(this.executable, [...this.config, ...args], {
        cwd: options.cwd,
        env: {...this.env, ...options.env},
        stdio: ['pipe', 'pipe', 'pipe'],
        windowsHide: true,
      });
      const stdout: Buffer[] = [];
      let bytes = 0;
      let stderr = '';
      const stop = (): void => void child.kill();
      options.signal?.addEventListener('abort', stop, {once: true});
      child.stdout.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > limit) stop();
        else stdout.push(chunk);
      });
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        stderr = (stderr + chunk).slice(-STDERR_CHARACTERS);
      });
      // A command that ends without reading its input is judged by its exit code.
      child.stdin.on('error', () => undefined);
      child.stdin.end(options.input);
      child.on('error', error => {
        options.signal?.removeEventListener('abort', stop);
        reject(notStarted(this.executable, options.cwd, error));
      });
      child.on('close', (code, signal) => {
        options.signal?.removeEventListener('abort', stop);
        if (bytes > limit)
          reject(new CoordinatorError('limit', `git ${args[0]} printed more than ${limit} bytes`));
        else if (code !== null) resolve({code, stdout: Buffer.concat(stdout), stderr});
        else resolve({code: 128, stdout: Buffer.concat(stdout), stderr: `${stderr}ended by ${signal}`});
      });
    });
  }
}

/** Throws `git` when there is no usable git; call once at start. Answers the version. */
export async function checkGit(git: Git, cwd: string): Promise<string> {
  const found = await git.text(['version'], {cwd});
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(found)?.slice(1) ?? []).map(Number);
  const [leastMajor = 0, leastMinor = 0] = MINIMUM_GIT_VERSION.split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) return `${major}.${minor}`;
  throw new CoordinatorError('git', `${found} is too old`, {
    hint: `install git ${MINIMUM_GIT_VERSION} or newer`,
  });
}

/** The entries of a `-z` output, as bytes: names need not be UTF-8. */
export function splitNul(output: Buffer): Buffer[] {
  const entries: Buffer[] = [];
  for (let from = 0; from < output.length; ) {
    const end = output.indexOf(0, from);
    entries.push(output.subarray(from, end < 0 ? output.length : end));
    from = end < 0 ? output.length : end + 1;
  }
  return entries;
}

function environment(
  profile: GitProfile,
  inherited: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    // Set where an editor's executable runs as Node: hooks and helpers are to be what they are.
    if (value === undefined || name === 'ELECTRON_RUN_AS_NODE') continue;
    if (name.startsWith('GIT_') && (profile === 'isolated' || !PERSONAL.test(name))) continue;
    env[name] = value;
  }
  env['GIT_TERMINAL_PROMPT'] = '0';
  if (profile === 'acting') return {...env, GIT_EDITOR: 'true', GIT_MERGE_AUTOEDIT: 'no'};
  env['GIT_OPTIONAL_LOCKS'] = '0';
  env['GIT_NO_REPLACE_OBJECTS'] = '1';
  if (profile === 'reading') return env;
  return {
    ...env,
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: os.devNull,
    GIT_ATTR_NOSYSTEM: '1',
  };
}

function notStarted(executable: string, cwd: string, cause: unknown): CoordinatorError {
  return new CoordinatorError('git', `could not start ${executable} in ${cwd}`, {
    cause,
    hint: `git ${MINIMUM_GIT_VERSION} or newer must be on the PATH, and the folder must exist`,
  });
}

async function failure(
  args: readonly string[],
  cwd: string,
  how: string,
  stderr: string,
): Promise<CoordinatorError> {
  const command = ['git', ...args].join(' ').slice(0, 300);
  const message = `${command} failed with ${how} in ${cwd}: ${stderr.trim()}`;
  const disk = await statfs(cwd).catch(() => undefined);
  if (disk && disk.bavail * disk.bsize < FULL_DISK_BYTES) {
    return new CoordinatorError('diskFull', message, {hint: 'free some space on that disk and try again'});
  }
  return new CoordinatorError('git', message);
}

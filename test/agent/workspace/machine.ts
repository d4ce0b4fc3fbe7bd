/** One agent's machine: its own state folder, repository cache and worktrees; machines share bundles as they would share an artifact store. */
import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readFileSync, statSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {RunCommand} from '../../../coordinator/agent/workspace/setupCache.ts';
import type {Workspace} from '../../../coordinator/agent/workspace/workspace.ts';
import {
  type PrepareRequest,
  type PrepareResult,
  Workspaces,
  type WorkspacesOptions,
} from '../../../coordinator/agent/workspace/workspaces.ts';
import type {ArtifactSource} from '../../../coordinator/artifacts/artifactCache.ts';
import {Git} from '../../../coordinator/artifacts/git/gitCommand.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {CoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import type {GitProject} from '../../artifacts/gitProject.ts';

/** Artifacts in a folder: what the machines have in common. */
export class SharedArtifacts implements ArtifactSource {
  /** Digests read, in order. */
  readonly reads: string[] = [];

  constructor(private readonly folder: string) {
    mkdirSync(folder, {recursive: true});
  }

  use<T>(sha256: string, read: (file: string) => Promise<T>): Promise<T> {
    this.reads.push(sha256);
    const file = path.join(this.folder, sha256);
    if (!existsSync(file)) throw new CoordinatorError('notFound', `no artifact ${sha256}`);
    return read(file);
  }

  upload = async (source: Uint8Array | {readonly file: string}): Promise<{sha256: string; bytes: number}> => {
    const content = source instanceof Uint8Array ? source : readFileSync(source.file);
    const sha256 = createHash('sha256').update(content).digest('hex');
    writeFileSync(path.join(this.folder, sha256), content);
    return {sha256, bytes: content.length};
  };

  /** A bundle of a project's commit, made by git itself. */
  async bundle(project: GitProject, commit: string, exclude: readonly string[] = []): Promise<CommitBundle> {
    const file = path.join(this.folder, `${commit}.tmp`);
    const ref = `refs/mcpx/commits/${commit}`;
    project.git('update-ref', ref, commit);
    project.git('bundle', 'create', '-q', file, ref, ...exclude.map(id => `^${id}`));
    project.git('update-ref', '-d', ref);
    return {commit, prerequisites: [...exclude], ...(await this.upload({file}))};
  }
}

export const shell: RunCommand = (command, cwd, env, signal) =>
  new Promise((resolve, reject) => {
    execFile(
      '/bin/sh',
      ['-c', command],
      {cwd, env: {PATH: process.env['PATH'], ...env}, signal},
      (error, out, err) => {
        if (error && typeof error.code !== 'number') reject(error);
        else resolve({code: Number(error?.code ?? 0), output: out + err});
      },
    );
  });

export class Machine {
  readonly workspaces: Workspaces;
  readonly git: Git;
  /** Setup commands run, in order. */
  readonly commands: string[] = [];
  private attempts = 0;

  constructor(
    readonly folder: string,
    readonly artifacts: SharedArtifacts,
    options: Partial<WorkspacesOptions> = {},
    executable = 'git',
  ) {
    this.git = new Git('isolated', {PATH: process.env['PATH'], HOME: '/nonexistent', ...HOSTILE}, executable);
    mkdirSync(folder, {recursive: true});
    this.workspaces = new Workspaces({
      folder: path.join(folder, 'workspaces'),
      git: this.git,
      artifacts,
      uploads: artifacts,
      runCommand: (command, cwd, env, signal) => {
        this.commands.push(command);
        return shell(command, cwd, env, signal);
      },
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      ...options,
    });
  }

  prepare(
    request: Partial<PrepareRequest> & Pick<PrepareRequest, 'base' | 'bundles'>,
  ): Promise<PrepareResult> {
    const number = ++this.attempts;
    return this.workspaces.prepare({
      sessionId: 's-1',
      taskId: 'task',
      attemptId: `s-1.task.${number}`,
      repositoryId: 'project',
      inputs: [],
      onConflict: 'fail',
      ...request,
    });
  }

  /** Prepares, and fails the test when the worktree does not become ready. */
  async ready(
    request: Partial<PrepareRequest> & Pick<PrepareRequest, 'base' | 'bundles'>,
  ): Promise<Extract<PrepareResult, {kind: 'ready'}>> {
    const result = await this.prepare(request);
    if (result.kind !== 'ready') throw new Error(`not ready: ${JSON.stringify(result)}`);
    return result;
  }
}

/** State of another repository that must never reach ours. */
const HOSTILE = {GIT_DIR: '/nonexistent/.git', GIT_INDEX_FILE: '/nonexistent/index', GIT_CONFIG_COUNT: '1'};

/** git as the work runs it: with whatever configuration the worktree has, and no hostile environment. */
export async function workGit(workspace: Workspace, ...args: string[]): Promise<string> {
  const quoted = args.map(argument => `'${argument.replaceAll("'", "'\\''")}'`).join(' ');
  const env = {HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', ...workspace.env};
  const {code, output} = await shell(`git ${quoted}`, workspace.path, env);
  if (code !== 0) throw new Error(`git ${quoted}: ${output}`);
  return output.replace(/\n$/, '');
}

export const AUTHOR = {name: 'Agent one', email: 'agent@example.com'};

export async function commitOf(workspace: Workspace, message = 'result'): Promise<string> {
  const result = await workspace.commitResult({
    message,
    trailers: {'MCPX-Session': 's-1', 'MCPX-Task': 'task'},
    author: AUTHOR,
    at: 1_750_000_000_000,
  });
  if (result.kind === 'refused') throw new Error(result.message);
  return result.commit;
}

export function isFolder(file: string): boolean {
  return existsSync(file) && statSync(file).isDirectory();
}

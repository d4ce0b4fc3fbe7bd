/** The folder of one attempt in the agent's state: its record, its worktree, our index of it. Survives the agent's death, so that a start can clean up or go on. */
import {chmod, mkdir, readdir, readFile, rename, rm, stat} from 'node:fs/promises';
import path, {join} from 'node:path';
import * as z from 'zod';
import {AttemptId, CommitId, SessionId, TaskId} from '../../protocol/ids.ts';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {systemErrorCode} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {safeName} from './repositoryCache.ts';

const Input = z.object({taskId: TaskId, commit: CommitId});

export const AttemptFile = z.looseObject({
  v: z.literal(1),
  sessionId: SessionId,
  taskId: TaskId,
  attemptId: AttemptId,
  /** Somebody wants to look at it: only an explicit request removes it. */
  kept: z.boolean(),
  /** The project's repository, where the attempt's refs are; absent for attempts without one. */
  repository: z.object({id: z.string(), base: CommitId}).optional(),
  /** Absent while the worktree is not ready. */
  git: z
    .object({
      branch: z.string(),
      base: CommitId,
      /** First commit of the branch: results descend from it. */
      start: CommitId,
      inputs: z.array(Input),
      /** Inputs that a kept merge still has to bring in. */
      unmerged: z.array(CommitId),
      conflicts: z.array(
        z.object({paths: z.array(z.string()), ours: Input, theirs: Input, messages: z.array(z.string())}),
      ),
      /** Tree with the conflict markers, while there are conflicts. */
      markedTree: z.string().optional(),
      included: z.array(z.string()),
    })
    .optional(),
});
export type AttemptFile = z.infer<typeof AttemptFile>;
export type AttemptGit = NonNullable<AttemptFile['git']>;

const TRASH = '.trash-';

export class AttemptFolder {
  readonly worktree: string;
  readonly index: string;
  readonly exclude: string;
  private readonly file: string;

  constructor(
    readonly path: string,
    /** File-name form of the attempt's id. */
    readonly name: string,
  ) {
    this.worktree = join(this.path, 'worktree');
    this.index = join(this.path, 'index');
    this.exclude = join(this.path, 'exclude');
    this.file = join(this.path, 'attempt.json');
  }

  async create(): Promise<void> {
    await mkdir(this.worktree, {recursive: true, mode: 0o700});
  }

  async save(content: AttemptFile): Promise<void> {
    await writeFileDurably(this.file, JSON.stringify(content));
  }

  /** Whether nobody took the worktree away by hand. */
  async hasWorktree(): Promise<boolean> {
    try {
      return (await stat(this.worktree)).isDirectory();
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Undefined when there is no readable record: a creation that a kill cut short. */
  async load(): Promise<AttemptFile | undefined> {
    try {
      const parsed = AttemptFile.safeParse(JSON.parse(await readFile(this.file, 'utf8')));
      return parsed.success ? parsed.data : undefined;
    } catch (error) {
      if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** All attempt folders under one parent. */
export class AttemptFolders {
  constructor(
    /** Absolute path. */
    readonly parent: string,
    private readonly random: Random,
  ) {}

  of(attemptId: string): AttemptFolder {
    const name = safeName(attemptId);
    return new AttemptFolder(path.join(this.parent, name), name);
  }

  async list(): Promise<AttemptFolder[]> {
    return (await this.names())
      .filter(name => !name.startsWith(TRASH))
      .map(name => new AttemptFolder(path.join(this.parent, name), name));
  }

  /** Removes a folder in two steps, so that one half removed is never taken for a worktree. */
  async remove(folder: AttemptFolder): Promise<void> {
    const trash = path.join(this.parent, `${TRASH}${this.random.hex(6)}`);
    try {
      await rename(folder.path, trash);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return;
      throw error;
    }
    await removeTree(trash);
  }

  /** Finishes removals that a kill cut short. */
  async emptyTrash(): Promise<void> {
    for (const name of await this.names()) {
      if (name.startsWith(TRASH)) await removeTree(path.join(this.parent, name));
    }
  }

  private async names(): Promise<string[]> {
    try {
      return await readdir(this.parent);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }
}

/** Also where the work made folders read-only, as module caches do. */
export async function removeTree(folder: string): Promise<void> {
  const options = {recursive: true, force: true, maxRetries: 5, retryDelay: 100} as const;
  try {
    await rm(folder, options);
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOTEMPTY') throw error;
    await makeWritable(folder);
    await rm(folder, options);
  }
}

async function makeWritable(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, {withFileTypes: true})) {
    if (entry.isDirectory()) await makeWritable(path.join(folder, entry.name));
  }
}

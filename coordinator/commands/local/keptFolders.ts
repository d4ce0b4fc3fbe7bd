/** Things of a person's that a process of its own keeps alive: a private folder each, with a record, held by its keeper. */
import {readdir, readFile, rm} from 'node:fs/promises';
import path from 'node:path';
import type * as z from 'zod';
import {type DirectoryLock, lockDirectory, lockHolder} from '../../runtime/directoryLock.ts';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import type {Random} from '../../runtime/random.ts';
import {ensurePrivateDirectory} from './directories.ts';

const RECORD = 'record.json';
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

export class KeptFolders<S extends z.ZodType> {
  constructor(
    private readonly root: string,
    private readonly schema: S,
    /** Such as `agent`, for messages. */
    private readonly noun: string,
  ) {}

  /** What has no record is left of a crash, or is nobody's. */
  async names(): Promise<string[]> {
    try {
      const found: string[] = [];
      for (const name of await readdir(this.root))
        if (NAME.test(name) && (await this.read(name)) !== undefined) found.push(name);
      return found.sort();
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async read(name: string): Promise<z.infer<S> | undefined> {
    try {
      return this.schema.parse(JSON.parse(await readFile(path.join(this.folder(name), RECORD), 'utf8')));
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '')) return undefined;
      throw error;
    }
  }

  async require(name: string): Promise<z.infer<S>> {
    const record = await this.read(name);
    if (record !== undefined) return record;
    const names = await this.names();
    throw new CoordinatorError('notFound', `there is no ${this.noun} "${name}" here`, {
      hint: names.length === 0 ? `No ${this.noun} was added.` : `There are: ${names.join(', ')}.`,
    });
  }

  /** Private (0600): records hold tokens. */
  async write(name: string, record: z.infer<S>): Promise<void> {
    await ensurePrivateDirectory(this.folder(name));
    await writeFileDurably(path.join(this.folder(name), RECORD), JSON.stringify(record));
  }

  /** Pid of the living keeper. */
  async keeper(name: string): Promise<number | undefined> {
    try {
      return await lockHolder(this.folder(name));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Throws `conflict` while another process keeps it. */
  claim(name: string, random: Random): Promise<DirectoryLock> {
    return lockDirectory(this.folder(name), random.hex(6), `It is kept already.`);
  }

  remove(name: string): Promise<void> {
    return rm(this.folder(name), {recursive: true, force: true});
  }

  folder(name: string): string {
    if (!NAME.test(name))
      throw new CoordinatorError('config', `"${name}" cannot be the name of a ${this.noun}`, {
        hint: 'Letters, digits, "_", "-" and ".".',
      });
    return path.join(this.root, name);
  }
}

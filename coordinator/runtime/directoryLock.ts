/**
 * At most one process on a directory. A lock file names its holder by pid, start time and boot, so that a dead holder's lock is told from a
 * living one's, even when the pid was given out again.
 *
 * Replacing a stale lock in place has a race: two starters judge it stale, and the slower one removes the faster one's new lock. So locks are
 * numbered: taking over means creating the next number, which exactly one starter can, and the highest number holds. A released lock stays
 * as a file that says so, for the numbers must not start again.
 */
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {link, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {writeFileDurably} from './durableFile.ts';
import {CoordinatorError, systemErrorCode} from './errors.ts';

const Holder = z.object({pid: z.number(), start: z.string(), boot: z.string(), released: z.boolean()});
type Holder = z.infer<typeof Holder>;

const NAME = /^LOCK\.(\d+)$/;
const DRAFT = /^lock-(\d+)-.*\.tmp$/;

/** Whether a file beside a lock belongs to somebody who is about to ask for it. Only the lock itself clears these away. */
export function isLockDraft(name: string): boolean {
  return DRAFT.test(name);
}

export interface DirectoryLock {
  release(): Promise<void>;
}

/** `unique` names a draft beside the lock; `hint` says what to do when another living process has `folder`: then it rejects with `conflict`. */
export async function lockDirectory(folder: string, unique: string, hint: string): Promise<DirectoryLock> {
  const self: Holder = {pid: process.pid, start: startOf(process.pid) ?? '', boot: bootId(), released: false};
  const temporary = path.join(folder, `lock-${process.pid}-${unique}.tmp`);
  await writeFile(temporary, JSON.stringify(self), {mode: 0o600});
  try {
    const file = await take(folder, temporary, hint);
    await removeDeadDrafts(folder);
    return {release: () => writeFileDurably(file, JSON.stringify({...self, released: true}))};
  } finally {
    await rm(temporary, {force: true});
  }
}

/** Pid of the living process that has `folder`; undefined when none has. */
export async function lockHolder(folder: string): Promise<number | undefined> {
  const highest = (await lockNumbers(folder)).at(-1);
  const holder = highest === undefined ? undefined : await readHolder(lockFile(folder, highest));
  return holder && !holder.released && isAlive(holder) ? holder.pid : undefined;
}

async function take(folder: string, temporary: string, hint: string): Promise<string> {
  for (;;) {
    const numbers = await lockNumbers(folder);
    const highest = numbers.at(-1) ?? 0;
    if (highest > 0) await refuseLiving(folder, highest, hint);
    const file = lockFile(folder, highest + 1);
    try {
      // A link appears with its content, unlike a file that is created and then written.
      await link(temporary, file);
    } catch (error) {
      if (systemErrorCode(error) === 'EEXIST') continue;
      throw error;
    }
    const after = await lockNumbers(folder);
    if (after.at(-1) !== highest + 1) {
      await rm(file, {force: true});
      continue;
    }
    for (const number of numbers) await rm(lockFile(folder, number), {force: true});
    return file;
  }
}

/** Those of processes that died while they asked. */
async function removeDeadDrafts(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = Number(DRAFT.exec(name)?.[1] ?? process.pid);
    if (pid !== process.pid && !exists(pid)) await rm(path.join(folder, name), {force: true});
  }
}

async function refuseLiving(folder: string, number: number, hint: string): Promise<void> {
  const holder = await readHolder(lockFile(folder, number));
  if (!holder || holder.released || !isAlive(holder)) return;
  throw new CoordinatorError('conflict', `${folder} is in use by process ${holder.pid}`, {hint});
}

/** Undefined when its holder was superseded while we looked. */
async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return parseHolder(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseHolder(text: string, file: string): Holder {
  try {
    return Holder.parse(JSON.parse(text));
  } catch (cause) {
    throw new CoordinatorError('corrupt', `the lock file ${file} cannot be read`, {
      cause,
      hint: 'When no process of ours works in this directory, delete the file.',
    });
  }
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names
    .flatMap(name => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

function lockFile(folder: string, number: number): string {
  return path.join(folder, `LOCK.${number}`);
}

function isAlive(holder: Holder): boolean {
  if (holder.boot !== bootId() || !exists(holder.pid)) return false;
  const start = startOf(holder.pid);
  return start !== undefined && (holder.start === '' || start === '' || start === holder.start);
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH';
  }
}

/** Changes with every boot, where the platform tells; '' otherwise. */
function bootId(): string {
  if (process.platform !== 'linux') return '';
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** When a process started, in the platform's own words; '' when unknown, undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') return linuxStart(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    if (process.platform === 'darwin')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {encoding: 'utf8'}).trim();
    return '';
  } catch {
    return undefined;
  }
}

/** Field 22 of proc(5)'s stat, counted from behind the command's name, which may hold anything. A zombie has released its files. */
function linuxStart(stat: string): string | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/**
 * An agent's folder on disk: who works in it now, and under which id.
 *
 * The lock is a numbered file `lock.N` that names a process by pid and start time; the highest number counts. Whoever finds its process
 * dead creates the next number, which only one can, and looks again for a higher one before it believes itself the owner. No lock file is
 * ever changed, so no two starts can take over the same dead owner.
 */
import {link, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {AgentId} from '../protocol/ids.ts';
import {writeFileDurably} from '../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../runtime/errors.ts';
import {newId, type Random} from '../runtime/random.ts';
import type {ProcessTable} from './supervisor/processTable.ts';

const Owner = z.object({pid: z.number().int().positive(), startedAt: z.string(), boot: z.string()});
type Owner = z.infer<typeof Owner>;
const Identity = z.object({v: z.literal(1), agentId: AgentId});

const LOCK_NAME = /^lock\.([0-9]+)$/;
const MAX_RACES = 10;

export class StateDirectory {
  private constructor(
    readonly path: string,
    readonly agentId: string,
    private readonly lock: number,
  ) {}

  /**
   * Takes the folder, which is created where it is missing. `agentId` is kept in it; without one the kept or a new id is used.
   * Throws `conflict` while another live process has it.
   */
  static async acquire(
    folder: string,
    options: {agentId?: string | undefined; pid: number; table: ProcessTable; random: Random},
  ): Promise<StateDirectory> {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const lock = await takeLock(folder, options);
    const identityFile = path.join(folder, 'agent.json');
    const kept = await readIdentity(identityFile);
    const agentId = options.agentId ?? kept ?? newId(options.random, 'agent');
    if (agentId !== kept) await writeFileDurably(identityFile, JSON.stringify({v: 1, agentId}));
    return new StateDirectory(folder, agentId, lock);
  }

  file(name: string): string {
    return path.join(this.path, name);
  }

  /** Leaves a higher lock that names nobody: numbers must never be used again. */
  async release(): Promise<void> {
    await writeFile(this.file(`lock.${this.lock + 1}`), '{}', {mode: 0o600, flag: 'wx'});
    await rm(this.file(`lock.${this.lock}`), {force: true});
  }
}

async function takeLock(
  folder: string,
  {pid, table, random}: {pid: number; table: ProcessTable; random: Random},
): Promise<number> {
  const own: Owner = {pid, startedAt: table.row(pid)?.startedAt ?? '', boot: table.boot};
  const draft = path.join(folder, `lock-draft-${random.hex(6)}`);
  await writeFile(draft, JSON.stringify(own), {mode: 0o600});
  try {
    for (let race = 0; race < MAX_RACES; race++) {
      const highest = Math.max(0, ...(await lockNumbers(folder)));
      if (highest > 0) await refuseLiveOwner(folder, highest, own, table);
      const file = path.join(folder, `lock.${highest + 1}`);
      if (!(await linked(draft, file))) continue;
      const numbers = await lockNumbers(folder);
      if (numbers.some(number => number > highest + 1)) {
        await rm(file, {force: true});
        continue;
      }
      for (const number of numbers)
        if (number <= highest) await rm(path.join(folder, `lock.${number}`), {force: true});
      return highest + 1;
    }
  } finally {
    await rm(draft, {force: true});
  }
  throw new CoordinatorError('conflict', `several agents are starting in ${folder} at once`);
}

/** False when somebody else was first. */
async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function refuseLiveOwner(
  folder: string,
  number: number,
  own: Owner,
  table: ProcessTable,
): Promise<void> {
  const owner = await readOwner(path.join(folder, `lock.${number}`));
  if (!owner || owner.boot !== table.boot) return;
  const row = table.row(owner.pid);
  const alive = row !== undefined && !row.zombie && row.startedAt === owner.startedAt;
  if (!alive) return;
  const who = owner.pid === own.pid ? 'this process' : `the agent with pid ${owner.pid}`;
  throw new CoordinatorError('conflict', `${who} works in ${folder} already`, {
    hint: 'Give each agent a state folder of its own, or stop the other one.',
  });
}

async function lockNumbers(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.flatMap(name => {
    const number = LOCK_NAME.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
}

/** Undefined for a lock that was released meanwhile, or that names nobody. */
async function readOwner(file: string): Promise<Owner | undefined> {
  const parsed = Owner.safeParse(await readJson(file));
  return parsed.success ? parsed.data : undefined;
}

async function readIdentity(file: string): Promise<string | undefined> {
  const parsed = Identity.safeParse(await readJson(file));
  return parsed.success ? parsed.data.agentId : undefined;
}

/** Undefined when there is no such file or no JSON in it. */
async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

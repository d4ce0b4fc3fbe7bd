/** An agent's folder on disk: taken by one process at a time, and the id under which it works. */
import {mkdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {AgentId} from '../protocol/ids.ts';
import {type DirectoryLock, lockDirectory} from '../runtime/directoryLock.ts';
import {writeFileDurably} from '../runtime/durableFile.ts';
import {systemErrorCode} from '../runtime/errors.ts';
import {newId, type Random} from '../runtime/random.ts';

const Identity = z.object({v: z.literal(1), agentId: AgentId});

const IN_USE_HINT = 'Give each agent a state folder of its own, or stop the other one.';

export class StateDirectory {
  private constructor(
    readonly path: string,
    readonly agentId: string,
    private readonly lock: DirectoryLock,
  ) {}

  /**
   * Takes the folder, which is created where it is missing. `agentId` is kept in it; without one the kept or a new id is used.
   * Throws `conflict` while another live process has it.
   */
  static async acquire(
    folder: string,
    options: {agentId?: string | undefined; random: Random},
  ): Promise<StateDirectory> {
    await mkdir(folder, {recursive: true, mode: 0o700});
    const lock = await lockDirectory(folder, options.random.hex(6), IN_USE_HINT);
    const identityFile = path.join(folder, 'agent.json');
    const kept = await readIdentity(identityFile);
    const agentId = options.agentId ?? kept ?? newId(options.random, 'agent');
    if (agentId !== kept) await writeFileDurably(identityFile, JSON.stringify({v: 1, agentId}));
    return new StateDirectory(folder, agentId, lock);
  }

  file(name: string): string {
    return path.join(this.path, name);
  }

  release(): Promise<void> {
    return this.lock.release();
  }
}

/** Undefined when there is none, or none that can be read: then a new id is made. */
async function readIdentity(file: string): Promise<string | undefined> {
  try {
    const parsed = Identity.safeParse(JSON.parse(await readFile(file, 'utf8')));
    return parsed.success ? parsed.data.agentId : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

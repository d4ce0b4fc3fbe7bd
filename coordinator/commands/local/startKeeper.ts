/** Starts the keeper of something that was written down for it; what it cannot keep is forgotten again. */
import type * as z from 'zod';
import {isCoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import type {KeptFolders} from './keptFolders.ts';
import {childEnvironment} from './selfCommand.ts';
import {type Begun, startAndHear} from './starter.ts';

export interface KeeperStart<S extends z.ZodType> {
  readonly folders: KeptFolders<S>;
  readonly name: string;
  readonly log: string;
  readonly patienceMs: number;
}

/** One that is merely late goes on. */
export async function startKeeper<S extends z.ZodType>(
  args: readonly string[],
  {folders, name, log, patienceMs}: KeeperStart<S>,
  io: CommandIo,
): Promise<Begun> {
  try {
    return await startAndHear(args, {env: childEnvironment(io.env), logFile: log, patienceMs}, io);
  } catch (error) {
    if (!isCoordinatorError(error, 'timeout')) await folders.remove(name);
    throw error;
  }
}

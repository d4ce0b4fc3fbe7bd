/** Where MCPX keeps things on this machine: one data directory per user, unless `MCPX_HOME` says otherwise. */
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import {userDataRoot} from '../../client/userData.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

export interface Directories {
  /** Store, artifacts, endpoint file, certificates. */
  readonly coordinator: string;
  /** One folder an agent. */
  readonly agents: string;
  readonly logs: string;
  /** One folder a session that this machine runs or ran. */
  readonly runs: string;
  /** One folder an agent that a person added here. */
  readonly added: string;
  /** One folder a machine that this one reaches by ssh. */
  readonly machines: string;
  readonly contextsFile: string;
}

export function userDirectories(env: Readonly<Record<string, string | undefined>>): Directories {
  return directoriesUnder(userDataRoot(env));
}

export function directoriesUnder(root: string): Directories {
  return {
    coordinator: path.join(root, 'coordinator'),
    agents: path.join(root, 'agents'),
    logs: path.join(root, 'logs'),
    runs: path.join(root, 'runs'),
    added: path.join(root, 'added'),
    machines: path.join(root, 'machines'),
    contextsFile: path.join(root, 'contexts.json'),
  };
}

/** Private to the user: the folder holds tokens. Throws `config`. */
export async function ensurePrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, {recursive: true, mode: 0o700});
  } catch (error) {
    throw new CoordinatorError('config', `cannot make the folder ${directory}`, {
      cause: error,
      hint: 'Make its parent writable, or set MCPX_HOME to a folder that is.',
    });
  }
}

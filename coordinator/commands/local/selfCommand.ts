/** How to start this very program again: the bundle under Node (or Electron as Node), or the sources under a loader. */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, existsSync, openSync, writeFileSync} from 'node:fs';
import path from 'node:path';

export interface SelfCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export function selfCommand(): SelfCommand {
  const main = process.argv[1];
  if (!main) throw new Error('the path of the running program is unknown');
  // A debugger's port cannot be shared with a child.
  const execArgv = process.execArgv.filter(arg => !arg.startsWith('--inspect'));
  return {command: process.execPath, args: [...execArgv, main]};
}

/**
 * For a child of ours: without the variables that would change how it behaves when we run inside an editor. An editor's executable is Node
 * only while ELECTRON_RUN_AS_NODE says so; agents take that from what they run in turn.
 */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || name.startsWith('VSCODE_') || name === 'NODE_OPTIONS') continue;
    result[name] = value;
  }
  if (process.versions['electron'] !== undefined) result['ELECTRON_RUN_AS_NODE'] = '1';
  return {...result, ...extra};
}

export interface VerbSpawn {
  readonly env: Record<string, string>;
  readonly logFile: string;
  /** It outlives us, and its stdin is nothing; else that is a pipe that we hold. */
  readonly detached: boolean;
  /** What a terminal tells its foreground (an interrupt, to stop for a while) does not reach it, though it ends with us. */
  readonly ownGroup?: boolean;
  /** It tells us how it begins, over a channel of Node's. */
  readonly tells?: boolean;
}

/** Starts a verb of ours with its output in `logFile`. */
export function spawnVerb(args: readonly string[], options: VerbSpawn): ChildProcess {
  const self = selfCommand();
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    const child = spawn(self.command, [...self.args, ...args], {
      env: options.env,
      detached: options.detached || options.ownGroup === true,
      stdio: [options.detached ? 'ignore' : 'pipe', log, log, ...(options.tells ? (['ipc'] as const) : [])],
      windowsHide: true,
    });
    if (child.pid !== undefined) tellUse(child.pid);
    return child;
  } finally {
    closeSync(log);
  }
}

/** In a copy that an editor made of us, which it deletes when nothing runs from it any more. */
function tellUse(pid: number): void {
  const uses = path.join(path.dirname(process.argv[1] ?? ''), 'uses');
  if (existsSync(uses)) writeFileSync(path.join(uses, String(pid)), '');
}

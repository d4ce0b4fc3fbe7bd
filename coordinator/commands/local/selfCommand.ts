/** How to start this very program again: the bundle under Node (or Electron as Node), or the sources under a loader. */
import {type ChildProcess, spawn} from 'node:child_process';
import {closeSync, openSync} from 'node:fs';

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

/** Inherited variables that would change how a child of ours behaves when we run inside an editor. */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || name.startsWith('VSCODE_') || name === 'NODE_OPTIONS') continue;
    result[name] = value;
  }
  return {...result, ...extra};
}

/** Starts a verb of ours with its output in `logFile`; the child outlives us only when `detached`. Its stdin is a pipe that we hold. */
export function spawnVerb(
  args: readonly string[],
  options: {env: Record<string, string>; logFile: string; detached: boolean},
): ChildProcess {
  const self = selfCommand();
  const log = openSync(options.logFile, 'a', 0o600);
  try {
    return spawn(self.command, [...self.args, ...args], {
      env: options.env,
      detached: options.detached,
      stdio: [options.detached ? 'ignore' : 'pipe', log, log],
      windowsHide: true,
    });
  } finally {
    closeSync(log);
  }
}

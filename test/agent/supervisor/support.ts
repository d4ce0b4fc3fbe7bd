/** What the tests of processes share: folders, waiting for a condition of /proc, and reading the pids that a script printed. */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {Supervisor} from '../../../coordinator/agent/supervisor/supervisor.ts';
import {systemProcessTable} from '../../../coordinator/agent/supervisor/systemProcessTable.ts';
import {type Logger, silentLogger} from '../../../coordinator/observability/logger.ts';
import {delay, systemClock} from '../../../coordinator/runtime/clock.ts';
import {newId, systemRandom} from '../../../coordinator/runtime/random.ts';

const here = path.dirname(fileURLToPath(import.meta.url));
const tsx = fileURLToPath(import.meta.resolve('tsx'));

/** Runs a TypeScript file of this folder with this Node. */
export function typescriptCommand(file: string): [string, ...string[]] {
  return [process.execPath, '--import', tsx, path.join(here, file)];
}

export const supervisorCommand = typescriptCommand('superviseMain.mts');

export function temporaryFolder(): {path: string; remove(): void} {
  const folder = mkdtempSync(path.join(tmpdir(), 'mcpx-test-'));
  return {path: folder, remove: () => rmSync(folder, {recursive: true, force: true})};
}

export function startSupervisor(
  stateFolder: string,
  options: {logger?: Logger; answerTimeoutMs?: number} = {},
): Promise<Supervisor> {
  return Supervisor.start({
    command: supervisorCommand,
    env: {PATH: process.env['PATH'] ?? ''},
    stateFolder,
    agentRun: newId(systemRandom, 'run'),
    agentPid: process.pid,
    clock: systemClock,
    logger: silentLogger,
    ...options,
  });
}

const table = systemProcessTable();

export function isRunning(pid: number): boolean {
  const row = table.row(pid);
  return row !== undefined && !row.zombie;
}

/** Polls until `condition` holds; throws with `what` after `timeoutMs`. */
export async function until(what: string, condition: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = systemClock.now() + timeoutMs;
  while (!condition()) {
    if (systemClock.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${what}`);
    await delay(systemClock, 25);
  }
}

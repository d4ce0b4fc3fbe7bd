/** Ends a keeper of ours: asked first, killed when it does not listen. */
import {delay, systemClock} from '../../runtime/clock.ts';
import {systemErrorCode} from '../../runtime/errors.ts';

const LOOK_MS = 50;

/** Resolves when `ended` says so. */
export async function endProcess(
  pid: number,
  ended: () => Promise<boolean>,
  patienceMs: number,
): Promise<void> {
  send(pid, 'SIGTERM');
  const until = systemClock.now() + patienceMs;
  while (!(await ended())) {
    if (systemClock.now() > until) send(pid, 'SIGKILL');
    await delay(systemClock, LOOK_MS);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (systemErrorCode(error) !== 'ESRCH') throw error;
  }
}

/** The processes of one fleet on this machine, found by an environment entry that all of them inherit: to count, stop and continue them. Linux only. */
import {readdirSync, readFileSync} from 'node:fs';

/** Whoever starts a fleet sets it; every process below inherits it. */
export const FLEET_VARIABLE = 'FLEET_OF_TEST';

export interface MarkedProcess {
  readonly pid: number;
  readonly environment: ReadonlyMap<string, string>;
  readonly command: string;
}

/** Living processes whose environment has `name=value`; without a value, that have `name`. Never this process. */
export function processesWith(name: string, value?: string): MarkedProcess[] {
  const found: MarkedProcess[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid || isZombie(pid)) continue;
    const environment = environmentOf(pid);
    const set = environment.get(name);
    if (set === undefined || (value !== undefined && set !== value)) continue;
    found.push({pid, environment, command: (read(pid, 'cmdline') ?? '').replaceAll('\0', ' ').trim()});
  }
  return found;
}

/** Stops every process of the fleet, as a laptop that falls asleep does; repeated until none was missed. Returns what continues them. */
export function freeze(fleet: string): () => void {
  const frozen = new Set<number>();
  for (;;) {
    const fresh = processesWith(FLEET_VARIABLE, fleet).filter(({pid}) => !frozen.has(pid));
    if (fresh.length === 0) break;
    for (const {pid} of fresh) {
      frozen.add(pid);
      signal(pid, 'SIGSTOP');
    }
  }
  return () => {
    for (const pid of frozen) signal(pid, 'SIGCONT');
  };
}

/** False when there is no such process any more. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** What tells a living process from every other one, also from a later one of its number; it begins with that. Undefined when there is none. */
export function lifeOf(pid: number): string | undefined {
  const boot = read('sys/kernel/random', 'boot_id')?.trim();
  const fields = fieldsOf(pid);
  const [state, began] = [fields?.[0], fields?.[19]];
  return state === undefined || isOver(state) ? undefined : `${pid} ${began} ${boot}`;
}

function environmentOf(pid: number): Map<string, string> {
  const entries = (read(pid, 'environ') ?? '').split('\0').filter(entry => entry.includes('='));
  return new Map(
    entries.map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}

function isZombie(pid: number): boolean {
  const [state = 'X'] = fieldsOf(pid) ?? [];
  return isOver(state);
}

function isOver(state: string): boolean {
  return state === 'Z' || state === 'X';
}

/** Of its status, from its state on: the name before that is in parentheses and may hold anything. */
function fieldsOf(pid: number): string[] | undefined {
  const stat = read(pid, 'stat');
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Undefined when it ended meanwhile or belongs to somebody else. */
function read(of: number | string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${of}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
}

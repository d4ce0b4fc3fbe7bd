/** Temporary folders that name the process whose they are, so that what one leaves that is killed is removed by the next. Linux only. */
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {FLEET_VARIABLE, lifeOf, processesWith, signal} from './machine.ts';
import {found} from './waiting.ts';

const OWNER = 'owner';
const LEFTOVERS_MS = 20_000;

/** A new folder of this process. */
export function ownFolder(prefix: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), prefix));
  writeFileSync(path.join(folder, OWNER), lifeOf(process.pid) ?? '');
  return folder;
}

/** It stays, whatever becomes of this process. */
export function disown(folder: string): void {
  rmSync(path.join(folder, OWNER), {force: true});
}

/** Those with a prefix whose process is gone, with what still runs of them. Resolves with what was removed. */
export async function removeAbandoned(prefix: string): Promise<string[]> {
  const abandoned = readdirSync(tmpdir())
    .filter(name => name.startsWith(prefix))
    .map(name => path.join(tmpdir(), name))
    .filter(isAbandoned);
  for (const folder of abandoned) {
    await endProcessesOf(folder, 0);
    await rm(folder, {recursive: true, force: true, maxRetries: 5});
  }
  return abandoned;
}

/** Waits for the processes of a fleet to end by themselves, then ends them. */
export async function endProcessesOf(folder: string, waitMs = LEFTOVERS_MS): Promise<void> {
  const left = () => processesWith(FLEET_VARIABLE, folder);
  const none = () => left().length === 0 || undefined;
  for (const {pid} of left()) signal(pid, 'SIGCONT');
  if (await found(none, waitMs, 'the end of all').catch(() => false)) return;
  for (const {pid} of left()) signal(pid, 'SIGKILL');
  await found(none, LEFTOVERS_MS, 'the end of all');
}

function isAbandoned(folder: string): boolean {
  let owner: string;
  try {
    owner = readFileSync(path.join(folder, OWNER), 'utf8');
  } catch {
    // Nobody's, or being made or removed by its owner.
    return false;
  }
  const [pid = ''] = owner.split(' ');
  return owner !== '' && lifeOf(Number(pid)) !== owner;
}

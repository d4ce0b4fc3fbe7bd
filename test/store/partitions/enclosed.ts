/** Runs one trial in a program with a network and mounts of its own, and gives back its outcome. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmdirSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {Enclosure} from './support.ts';
import type {Outcome, TrialOptions} from './trial.ts';

const PROGRAM = fileURLToPath(new URL('inside.ts', import.meta.url));

/** What it says on the way goes to `tell`. Rejects with that when it ends without an outcome. */
export async function runEnclosed(
  enclosure: Extract<Enclosure, {kind: 'possible'}>,
  asked: Omit<TrialOptions, 'folder'>,
  tell: (line: string) => void = () => undefined,
): Promise<Outcome> {
  // Its disks are mounted there where only it sees them: the folder stays empty.
  const folder = mkdtempSync(path.join(tmpdir(), 'mcpx-partitions-'));
  const options: TrialOptions = {...asked, folder};
  const [program = '', ...args] = [...enclosure.through, process.execPath, '--import', 'tsx', PROGRAM];
  // Its input is our life: it ends when this process does, however that comes.
  const child = spawn(program, [...args, JSON.stringify(options)], {stdio: ['pipe', 'pipe', 'pipe']});
  child.stdin.on('error', () => undefined);
  const said: string[] = [];
  createInterface({input: child.stderr}).on('line', line => {
    said.push(line);
    tell(line);
  });
  let outcome: Outcome | undefined;
  createInterface({input: child.stdout}).on('line', line => {
    outcome = JSON.parse(line);
  });
  try {
    await once(child, 'close');
  } finally {
    rmdirSync(folder);
  }
  if (!outcome) throw new Error(`the run of seed ${options.seed} ended early:\n${said.join('\n')}`);
  return outcome;
}

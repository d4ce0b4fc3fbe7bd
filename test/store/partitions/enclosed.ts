/** Runs one trial in a program with a network and mounts of its own, and gives back its outcome. */
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {Enclosure} from './support.ts';
import type {Outcome, TrialOptions} from './trial.ts';

const PROGRAM = fileURLToPath(new URL('inside.ts', import.meta.url));

/** What it says on the way goes to `tell`. Rejects with that when it ends without an outcome. */
export async function runEnclosed(
  enclosure: Extract<Enclosure, {kind: 'possible'}>,
  options: TrialOptions,
  tell: (line: string) => void = () => undefined,
): Promise<Outcome> {
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
  await once(child, 'close');
  if (!outcome) throw new Error(`the run of seed ${options.seed} ended early:\n${said.join('\n')}`);
  return outcome;
}

/** Runs one trial in a program with a network and mounts of its own, and gives back its outcome. */
import type {ChildProcessWithoutNullStreams} from 'node:child_process';
import {once} from 'node:events';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {type Possible, startEnclosed} from '../../support/enclosedProgram.ts';
import type {Outcome, TrialOptions} from './trial.ts';

const PROGRAM = fileURLToPath(new URL('inside.ts', import.meta.url));

/** On its standard error it says what it does. */
export function startTrial(enclosure: Possible, options: TrialOptions): ChildProcessWithoutNullStreams {
  return startEnclosed(enclosure, PROGRAM, options);
}

/** Rejects with what it said when it ends without an outcome. */
export async function runEnclosed(enclosure: Possible, options: TrialOptions): Promise<Outcome> {
  const child = startTrial(enclosure, options);
  const said: string[] = [];
  createInterface({input: child.stderr}).on('line', line => said.push(line));
  let outcome: Outcome | undefined;
  createInterface({input: child.stdout}).on('line', line => {
    outcome = JSON.parse(line);
  });
  await once(child, 'close');
  if (!outcome) throw new Error(`the run of seed ${options.seed} ended early:\n${said.join('\n')}`);
  return outcome;
}

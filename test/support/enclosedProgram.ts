/** Starts a program in TypeScript with a network and mounts of its own. Its only argument is JSON. */
import {type ChildProcessWithoutNullStreams, spawn} from 'node:child_process';
import type {Enclosure} from './enclosure.ts';

export type Possible = Extract<Enclosure, {kind: 'possible'}>;

/** Its input is our life: it ends when this process does, however that comes (it has to listen to that). */
export function startEnclosed(
  {through}: Possible,
  program: string,
  argument: object,
): ChildProcessWithoutNullStreams {
  const [first = '', ...args] = [...through, process.execPath, '--import', 'tsx', program];
  const child = spawn(first, [...args, JSON.stringify(argument)], {stdio: 'pipe'});
  child.stdin.on('error', () => undefined);
  return child;
}

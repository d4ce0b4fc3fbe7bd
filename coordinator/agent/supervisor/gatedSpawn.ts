/**
 * Starts a process that does nothing until it is told to: the agent first makes sure that the process will be ended with it.
 *
 * The shell waits for a line on descriptor 3 and then becomes the command, keeping pid and start time. When the agent dies
 * before the line, the read ends and so does the shell: there is no moment at which work runs unwatched.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import type {Writable} from 'node:stream';

export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** `ignore` gives the process an empty input. */
  readonly stdin: 'pipe' | 'ignore';
}

export interface GatedProcess {
  readonly child: ChildProcess;
  /** Lets the command begin. */
  open(): void;
}

const GATE = 'IFS= read -r go <&3 || exit 125; exec 3<&-; exec "$@"';

/** The process leads a session of its own, so that a terminal's or the agent's signals do not reach it. */
export function gatedSpawn(request: SpawnRequest): GatedProcess {
  const child = spawn('/bin/sh', ['-c', GATE, 'mcpx-attempt', request.command, ...request.args], {
    cwd: request.cwd,
    env: {...request.env},
    detached: true,
    stdio: [request.stdin, 'pipe', 'pipe', 'pipe'],
  });
  const gate = child.stdio[3] as Writable | null;
  // The process may be killed while it waits; its exit says so.
  gate?.on('error', () => undefined);
  return {child, open: () => gate?.end('go\n')};
}

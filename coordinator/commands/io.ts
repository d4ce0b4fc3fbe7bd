/** What a verb of the command line may touch of its surroundings, so that tests can run verbs in process. */

export interface CommandIo {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** True when stdout is a terminal that can redraw lines. */
  readonly interactive: boolean;
  readonly columns: number;
}

/** Exit codes of every verb. */
/** `replaced`: of an agent whose id another one took. */
export const EXIT = {ok: 0, failed: 1, usage: 2, replaced: 3, cancelled: 130} as const;

export function processIo(): CommandIo {
  return {
    stdout: text => void process.stdout.write(text),
    stderr: text => void process.stderr.write(text),
    env: process.env,
    cwd: process.cwd(),
    interactive:
      process.stdout.isTTY === true && process.env['TERM'] !== 'dumb' && process.env['CI'] === undefined,
    columns: process.stdout.columns ?? 80,
  };
}

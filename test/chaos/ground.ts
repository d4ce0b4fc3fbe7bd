/** Where executions of a plan under faults leave their marks, beside all worktrees; and the commands by which they do. */
import {appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';

/** A line of an attempt's log. */
export interface Execution {
  readonly attemptId: string;
  readonly what: 'start' | 'end';
}

/** The folder beside all worktrees in which executions leave their marks. */
export class Ground {
  constructor(readonly folder: string) {
    for (const name of ['log', 'go', 'gate']) mkdirSync(path.join(folder, name), {recursive: true});
  }

  /** Lets a hold end, in every attempt of it. */
  release(hold: string): void {
    writeFileSync(path.join(this.folder, 'go', hold), '');
  }

  hasStarted(attemptId: string): boolean {
    return [...this.executions().values()].flat().some(line => line.attemptId === attemptId);
  }

  /** The attempts that undid something, in the order in which they did. */
  undoings(): string[] {
    const file = path.join(this.folder, 'undone');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Every execution of every attempt, by task. */
  executions(): Map<string, Execution[]> {
    const folder = path.join(this.folder, 'log');
    return new Map(
      readdirSync(folder).map(taskKey => {
        // What follows the last line break is still being written.
        const lines = readFileSync(path.join(folder, taskKey), 'utf8').split('\n').slice(0, -1);
        const executions = lines.map((line): Execution => {
          const [attemptId = '', what] = line.split(' ');
          if (what !== 'start' && what !== 'end') throw new Error(`an odd line in a log: ${line}`);
          return {attemptId, what};
        });
        return [taskKey.slice(taskKey.indexOf('.') + 1), executions];
      }),
    );
  }

  /** A mark of the harness among the executions, for whoever reads the folder after a failure. */
  note(text: string): void {
    appendFileSync(path.join(this.folder, 'notes'), `${new Date().toISOString()} ${text}\n`);
  }
}

/** Writes a line of the attempt's log. */
export const LOG = (what: Execution['what']): string =>
  `printf '%s %s\\n' "$MCPX_ATTEMPT_ID" ${what} >> "$GROUND/log/$MCPX_TASK_KEY"`;

/** A shell command that undoes, outside of the worktree, what a task did. */
export function undoing(): string {
  return script([LOG('start'), 'echo "$MCPX_ATTEMPT_ID" >> "$GROUND/undone"', LOG('end')]);
}

export function script(lines: readonly string[]): string {
  return lines.join(' && ');
}

export function write(id: string): string {
  return `echo ${id} > ${id}.txt`;
}

/** The lines with which work begins that needs these files. */
export function begin(needs: readonly string[], seconds: number): string[] {
  return [LOG('start'), ...needs.map(file => `test -e ${file}`), `sleep ${seconds}`];
}

/** A shell command that writes the task's file, which needs those of its dependencies. */
export function runOf({id, after = [], seconds = 0}: GroundTask): string {
  return script([
    ...begin(
      after.map(other => `${other}.txt`),
      seconds,
    ),
    write(id),
    LOG('end'),
  ]);
}

export interface GroundTask {
  readonly id: string;
  readonly after?: readonly string[];
  readonly seconds?: number;
}

const mark = '"$GROUND/gate/$MCPX_TASK_KEY"';

/** A gate that measures too little at the first look. */
export function growsOnce(): object {
  const command = `if [ -e ${mark} ]; then echo score 2; else touch ${mark}; echo score 1; fi`;
  return {type: 'threshold', name: 'score', command, pattern: 'score (\\d+)', min: 2, onFailure: 'retry'};
}

/** A gate that the task passes at the second look only. */
export function failsOnce(): object {
  const command = `if [ -e ${mark} ]; then exit 0; else touch ${mark}; echo not yet; exit 1; fi`;
  return {name: 'second look', command, onFailure: 'retry'};
}

/** A gate that a hold of this name keeps from passing, and that takes everything behind the point with it. */
export function failsUntil(hold: string): object {
  return {name: 'judgement', command: `test -e "$GROUND/go/${hold}"`, onFailure: 'rollback'};
}

/** That many files are in the worktree. */
export function filesGate(count: number): string {
  return `test "$(ls *.txt | wc -l)" -eq ${count}`;
}

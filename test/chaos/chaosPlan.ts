/**
 * The plan that is run under faults: a diamond, a chain, a gate that fails once, tasks of one to three seconds and two prompts. Three of its
 * tasks, the holds, wait for a word from outside: a fault falls while one of them runs, however fast the machine is.
 */
import {appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {parseRehearsalScript, type RehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';

/** In the order in which they run; the second is a prompt. */
export const HOLDS = ['hold-1', 'hold-2', 'hold-3'] as const;
export type Hold = (typeof HOLDS)[number];
/** Its gate fails at the first look. */
export const GATED = 'gated';
export const PROMPTS = ['hold-2', 'write'] as const;

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
  release(hold: Hold): void {
    writeFileSync(path.join(this.folder, 'go', hold), '');
  }

  hasStarted(attemptId: string): boolean {
    return [...this.executions().values()].flat().some(line => line.attemptId === attemptId);
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

const LOG = (what: Execution['what']): string =>
  `printf '%s %s\\n' "$MCPX_ATTEMPT_ID" ${what} >> "$GROUND/log/$MCPX_TASK_KEY"`;
const HOLD = (id: Hold): string => `while [ ! -e "$GROUND/go/${id}" ]; do sleep 0.1; done`;
const BASH_TIMEOUT_MS = 600_000;

interface Task {
  readonly id: string;
  readonly after?: readonly string[];
  readonly seconds?: number;
}

/** Each writes a file of its own and needs those of its dependencies. */
const RUNS: readonly Task[] = [
  {id: 'top', seconds: 1},
  {id: 'left', after: ['top', 'hold-1'], seconds: 2},
  {id: 'right', after: ['top', 'hold-1'], seconds: 1},
  {id: 'bottom', after: ['left', 'right']},
  {id: 'link-1'},
  {id: 'link-2', after: ['link-1', 'hold-1'], seconds: 1},
  {id: 'link-3', after: ['link-2', 'hold-2'], seconds: 2},
  {id: GATED, seconds: 1},
  {id: 'late-1', after: ['hold-2'], seconds: 3},
  {id: 'late-2', after: ['hold-2'], seconds: 1},
  {id: 'wide', seconds: 3},
  {id: 'last', after: ['bottom', 'link-3', 'hold-3', 'write']},
];

const TASKS = RUNS.length + HOLDS.length + PROMPTS.length - 1;

/** The plan as JSON. The same in every run but for where the ground is. */
export function chaosPlan(ground: Ground): string {
  const tasks: object[] = RUNS.map(({id, after = [], seconds = 0}) => ({
    id,
    dependsOn: [...after],
    run: script([
      LOG('start'),
      ...after.map(other => `test -e ${other}.txt`),
      `sleep ${seconds}`,
      write(id),
      LOG('end'),
    ]),
    ...(id === GATED ? {gates: [failsOnce()]} : {}),
  }));
  const hold = (id: Hold): string => script([LOG('start'), HOLD(id), write(id), LOG('end')]);
  tasks.push(
    {id: 'hold-1', run: hold('hold-1')},
    {id: 'hold-2', dependsOn: ['hold-1'], prompt: 'Wait for the word, then write hold-2.txt.'},
    {id: 'hold-3', dependsOn: ['hold-2'], run: hold('hold-3')},
    {id: 'write', dependsOn: ['hold-1'], prompt: 'Write write.txt.'},
  );
  return JSON.stringify({
    name: 'chaos',
    env: {GROUND: ground.folder},
    defaults: {
      retry: {max: 1, backoff: '200ms'},
      permissions: {mode: 'acceptEdits', allow: ['Bash', 'Write']},
    },
    gates: [`test "$(ls *.txt | wc -l)" -eq ${TASKS}`],
    tasks,
  });
}

/** What Claude Code is made to do in the two prompts. Usage is given, so that costs can be compared to the cent. */
export function chaosScript(): RehearsalScript {
  const usage = {inputTokens: 2000, outputTokens: 500};
  const bash = (...lines: string[]): object => ({
    tool: 'Bash',
    input: {command: script(lines), description: 'Wait', timeout: BASH_TIMEOUT_MS},
  });
  const file = (id: string): object => ({
    tool: 'Write',
    input: {file_path: `{{worktree}}/${id}.txt`, content: `${id}\n`},
  });
  const tasks = {
    'hold-2': {
      turns: [
        {text: 'I wait.', calls: [bash(LOG('start'), HOLD('hold-2'))], usage},
        {calls: [file('hold-2')], usage},
        {calls: [bash(LOG('end'))], usage},
        {text: 'The file is written.', usage},
      ],
    },
    write: {
      turns: [
        {calls: [bash(LOG('start'))], slow: {chunks: 5, everyMs: 200}, text: 'I begin, word by word.', usage},
        {calls: [file('write')], usage},
        {calls: [bash(LOG('end'))], usage},
        {text: 'Done.', usage},
      ],
    },
  };
  return parseRehearsalScript(JSON.stringify({tasks}), 'chaos.rehearsal.json');
}

function script(lines: readonly string[]): string {
  return lines.join(' && ');
}

function write(id: string): string {
  return `echo ${id} > ${id}.txt`;
}

function failsOnce(): object {
  const mark = '"$GROUND/gate/$MCPX_TASK_KEY"';
  const command = `if [ -e ${mark} ]; then exit 0; else touch ${mark}; echo not yet; exit 1; fi`;
  return {name: 'second look', command, onFailure: 'retry'};
}

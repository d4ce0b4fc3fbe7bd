/**
 * The plan that is run under faults: a diamond, a chain, a gate that fails once, tasks of one to three seconds and two prompts. Three of its
 * tasks, the holds, wait for a word from outside: a fault falls while one of them runs, however fast the machine is.
 */
import {parseRehearsalScript, type RehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {failsOnce, filesGate, type Ground, type GroundTask, LOG, runOf, script, write} from './ground.ts';

/** In the order in which they run; the second is a prompt. */
export const HOLDS = ['hold-1', 'hold-2', 'hold-3'] as const;
export type Hold = (typeof HOLDS)[number];
/** Its gate fails at the first look. */
export const GATED = 'gated';
export const PROMPTS = ['hold-2', 'write'] as const;

const HOLD = (id: Hold): string => `while [ ! -e "$GROUND/go/${id}" ]; do sleep 0.1; done`;
const BASH_TIMEOUT_MS = 600_000;

/** Short tasks, several of which are under way at any time: right after the start, and after the first and the last hold. */
const FAN = ['fan-1', 'fan-2', 'fan-3', 'fan-4'];
const LATER = ['later-1', 'later-2', 'later-3', 'later-4'];
const AT_THE_END = ['end-1', 'end-2', 'end-3', 'end-4', 'end-5'];

/** Each writes a file of its own and needs those of its dependencies. */
const RUNS: readonly GroundTask[] = [
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
  ...FAN.map(id => ({id, after: ['top'], seconds: 0.5})),
  {id: 'fold', after: FAN, seconds: 0.5},
  ...LATER.map(id => ({id, after: ['hold-1'], seconds: 0.5})),
  ...AT_THE_END.map(id => ({id, after: ['hold-3'], seconds: 0.5})),
  {id: 'last', after: ['bottom', 'link-3', 'hold-3', 'write', 'fold']},
];

const TASKS = RUNS.length + HOLDS.length + PROMPTS.length - 1;

/** The plan as JSON. The same in every run but for where the ground is. */
export function chaosPlan(ground: Ground): string {
  const tasks: object[] = RUNS.map(task => ({
    id: task.id,
    dependsOn: [...(task.after ?? [])],
    run: runOf(task),
    ...(task.id === GATED ? {gates: [failsOnce()]} : {}),
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
    gates: [filesGate(TASKS)],
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

/** The large plan as a file, and what Claude Code is made to do in it. */
import {parseRehearsalScript, type RehearsalScript} from '../../../coordinator/agent/rehearsal/script.ts';
import {partTaskId} from '../../../coordinator/protocol/plan/split.ts';
import {
  begin,
  failsOnce,
  failsUntil,
  filesGate,
  type Ground,
  growsOnce,
  LOG,
  script,
  undoing,
  write,
} from '../ground.ts';
import {DELEGATED, filesOf, ITEMS, type Kind, SHARDS, type WholeTask} from './wholeTasks.ts';

const BASH_TIMEOUT_MS = 600_000;
/** Where the plan is rolled back to, and the hold that ends with that. */
export const POINT = 'laid';
export const JUDGEMENT = 'judgement';
/** What the project has before the plan begins. */
export const PROJECT: Readonly<Record<string, string>> = {
  'README.md': 'A project of nobody.\n',
  ...Object.fromEntries(['one', 'two', 'three', 'four'].map(name => [`src/${name}.md`, `${name}\n`])),
};

/** What the faults take is made good without a person. */
const MAX_LOSSES = 100;

const does = (task: WholeTask, ...lines: string[]): string =>
  script([...begin(task.needs, task.seconds), ...lines, LOG('end')]);
const runOf = (task: WholeTask): string => does(task, write(task.id));

/** What the plan file says of a task of each kind, beside its id and dependencies. */
const KEYS: Readonly<Record<Kind, (task: WholeTask) => object>> = {
  command: task => ({run: runOf(task)}),
  gated: task => ({run: runOf(task), gates: [failsOnce()]}),
  measured: task => ({run: runOf(task), gates: [growsOnce()]}),
  shaped: task => ({
    run: does(task, write(task.id), `echo '{"id": "${task.id}"}' > ${task.id}.json`),
    gates: [{type: 'schema', schema: shapeOf(task), file: `${task.id}.json`}],
  }),
  reviewed: task => ({run: runOf(task), gates: [{type: 'review', name: 'review'}]}),
  prompt: ({id}) => ({prompt: `Write ${id}.txt.`}),
  list: task => ({
    run: does(task, `echo "$MCPX_PART" > "${task.id}-$MCPX_PART.txt"`),
    split: {over: ITEMS},
  }),
  files: task => ({
    run: does(task, `echo "$MCPX_PART" > "${task.id}-$MCPX_PART_INDEX.txt"`),
    split: {files: 'src/*.md', shards: SHARDS},
  }),
  shards: task => ({
    run: does(task, 'echo "$MCPX_PART_INDEX of $MCPX_PART_COUNT" > "$MCPX_RESULT"'),
    split: {
      shards: SHARDS,
      merge: {
        run: script([
          LOG('start'),
          `grep -o "[0-9] of ${SHARDS}" "$MCPX_INPUTS" | sort > ${task.id}.txt`,
          `test "$(wc -l < ${task.id}.txt)" -eq ${SHARDS}`,
          LOG('end'),
        ]),
      },
    },
  }),
  delegating: ({id}) => ({
    prompt: `See to it that ${filesOf({id, kind: 'delegating'}).join(', ')} are written.`,
  }),
  judged: task => ({run: runOf(task), gates: [failsUntil(JUDGEMENT)]}),
};

export function gatedOf(tasks: readonly WholeTask[]): Set<string> {
  return new Set(tasks.filter(({kind}) => kind === 'gated' || kind === 'measured').map(({id}) => id));
}

/** Whose first attempt finds the parts. */
export function dividedOf(tasks: readonly WholeTask[]): Set<string> {
  return new Set(tasks.filter(({kind}) => kind === 'files').map(({id}) => id));
}

/** The plan as JSON. The same in every run but for where the ground is. */
export function wholePlan(tasks: readonly WholeTask[], ground: Ground): string {
  return JSON.stringify({
    name: 'chaos',
    env: {GROUND: ground.folder},
    defaults: {
      retry: {max: 1, backoff: '200ms'},
      maxLosses: MAX_LOSSES,
      permissions: {mode: 'acceptEdits', allow: ['Bash', 'Write']},
    },
    gates: [filesGate(tasks.flatMap(filesOf).length)],
    tasks: tasks.map(task => ({
      id: task.id,
      dependsOn: task.after,
      ...(task.arrives ? {syncPoint: POINT} : {}),
      ...rollbackOf(task),
      ...KEYS[task.kind](task),
    })),
  });
}

function rollbackOf({kind, compensates}: WholeTask): object {
  const how = compensates ? {compensate: undoing()} : {};
  if (kind === 'judged') return {rollback: {...how, scope: 'syncPoint', syncPoint: POINT}};
  return compensates ? {rollback: how} : {};
}

/** What Claude Code is made to do in the prompts; every answer costs the same, and has one call but for the last of a conversation. */
export function wholeScript(tasks: readonly WholeTask[]): string {
  const scenes = tasks.flatMap(task => {
    switch (task.kind) {
      case 'prompt':
        return [[task.id, {turns: promptTurns(task, `${task.id}.txt`)}]];
      case 'delegating':
        return [
          [task.id, {turns: delegatingTurns(task)}],
          ...delegatedBy(task).map(({id, file}) => [id, {turns: promptTurns(task, file)}]),
        ];
      case 'reviewed':
        return [[`_review-${task.id}`, {turns: REVIEW}]];
      default:
        return [];
    }
  });
  const text = JSON.stringify({tasks: Object.fromEntries(scenes)});
  checked(text);
  return text;
}

const usage = {inputTokens: 2000, outputTokens: 500};

const REVIEW = [
  {calls: [{tool: 'StructuredOutput', input: {passed: true, findings: []}}], usage},
  {text: 'It is well.', usage},
];

function bash(line: string): object {
  return {tool: 'Bash', input: {command: line, description: 'Note', timeout: BASH_TIMEOUT_MS}};
}

function promptTurns({needs, seconds}: WholeTask, file: string, ...more: readonly string[]): object[] {
  const written = {tool: 'Write', input: {file_path: `{{worktree}}/${file}`, content: `${file}\n`}};
  const text = 'I begin, word by word.';
  return [
    {text, calls: [bash(script(begin(needs, seconds)))], slow: {chunks: 5, everyMs: 200}, usage},
    {calls: [written], usage},
    ...more.map(line => ({calls: [bash(line)], usage})),
    {calls: [bash(LOG('end'))], usage},
    {text: 'Done.', usage},
  ];
}

function delegatedBy({id}: WholeTask): {id: string; file: string}[] {
  return Array.from({length: DELEGATED}, (_none, at) => ({
    id: partTaskId(id, at + 1),
    file: `${id}-${at + 1}.txt`,
  }));
}

/** It asks until it is heard, and waits for what it has asked for. */
function delegatingTurns(task: WholeTask): object[] {
  const delegated = delegatedBy(task);
  const asked = {tasks: delegated.map(({file}) => ({prompt: `Write ${file}.`, maxLosses: MAX_LOSSES}))};
  const curl = 'curl -fsS -H "Authorization: Bearer $MCPX_MEMORY_TOKEN"';
  const insisting = (line: string): string => `until ${line}; do sleep 1; done`;
  const waits = delegated.map(({id}) =>
    insisting(`${curl} "$MCPX_TASKS?task=${id}&wait=20" | grep -q '"state":"succeeded"'`),
  );
  return promptTurns(
    task,
    `${task.id}.txt`,
    insisting(`${curl} "$MCPX_TASKS" -d '${JSON.stringify(asked)}'`),
    script(waits),
  );
}

function shapeOf({id}: WholeTask): object {
  return {type: 'object', required: ['id'], properties: {id: {const: id}}};
}

function checked(text: string): RehearsalScript {
  return parseRehearsalScript(text, 'whole.rehearsal.json');
}

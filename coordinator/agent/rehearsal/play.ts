/**
 * Chooses the pretended model's next answer. Pure: it depends on the script and on the conversation in the request alone, so a
 * resumed session, a subagent beside its parent and a server that was restarted all get the right one.
 */
import type {JsonValue} from '../../runtime/json.ts';
import type {Conversation, Step} from './conversation.ts';
import {sampleOfSchema} from './sampleOfSchema.ts';
import type {Behaviour, RehearsalScript, TaskScript, Turn} from './script.ts';

export interface Scene {
  readonly taskId: string | undefined;
  readonly attempt: number;
  readonly worktree: string;
  readonly session?: string | undefined;
  readonly isSubagent: boolean;
  /** The JSON Schema of the result that Claude Code must hand in, where the task wants one. */
  readonly resultSchema?: JsonValue | undefined;
}

/** The tool by which Claude Code hands in a result that fits a schema. */
export const RESULT_TOOL = 'StructuredOutput';

export interface NextTurn {
  readonly turn: Turn;
  /** How many answers the conversation holds already. */
  readonly step: number;
}

export function nextTurn(script: RehearsalScript, scene: Scene, conversation: Conversation): NextTurn {
  const step = conversation.steps.filter(({kind}) => kind === 'answered').length;
  const prompt = firstSaid(conversation.steps);
  const behaviour = behaviourOf(script, scene, prompt);
  const turn = pendingTurn(behaviour, scene, conversation.steps) ?? unscriptedTurn(scene, conversation.steps);
  return {turn: fillIn(turn, scene, prompt), step};
}

/** Walks the conversation: what was said puts turns on the table, each answer takes one from it. */
function pendingTurn(
  behaviour: Behaviour | undefined,
  scene: Scene,
  steps: readonly Step[],
): Turn | undefined {
  const table: Turn[][] = [];
  let begun = false;
  for (const step of steps) {
    if (step.kind === 'answered') {
      table.at(-1)?.shift();
      while (table.length > 0 && table.at(-1)?.length === 0) table.pop();
    } else if (step.kind === 'said') {
      const turns = begun
        ? repliesTo(behaviour, scene, step.text)
        : openingTurns(behaviour, scene, step.text);
      begun = true;
      // A reply comes first; the task's own turns go on after it.
      if (turns && turns.length > 0) table.push([...turns]);
    }
  }
  return table.at(-1)?.[0];
}

function openingTurns(behaviour: Behaviour | undefined, scene: Scene, prompt: string): Turn[] | undefined {
  if (!scene.isSubagent) return behaviour?.turns;
  return behaviour?.subagents?.find(({when}) => holds(when, scene, prompt))?.turns;
}

function repliesTo(behaviour: Behaviour | undefined, scene: Scene, text: string): Turn[] | undefined {
  return behaviour?.replies?.find(({when}) => holds(when, scene, text))?.turns;
}

function behaviourOf(script: RehearsalScript, scene: Scene, prompt: string): Behaviour | undefined {
  if (scene.taskId === undefined) return undefined;
  const task = taskScriptOf(script, scene.taskId);
  if (!task) return undefined;
  // A subagent's prompt is not the task's: only the attempt can choose here.
  const fitting = task.cases?.find(({when}) =>
    holds(scene.isSubagent ? {attempt: when?.attempt} : when, scene, prompt),
  );
  return fitting ?? task.attempts?.[Math.min(scene.attempt, task.attempts.length) - 1] ?? task;
}

function taskScriptOf({tasks}: RehearsalScript, taskId: string): TaskScript | undefined {
  if (Object.hasOwn(tasks, taskId)) return tasks[taskId];
  const [longest] = Object.keys(tasks)
    .filter(key => key.endsWith('*') && taskId.startsWith(key.slice(0, -1)))
    .sort((a, b) => b.length - a.length);
  return longest === undefined ? undefined : tasks[longest];
}

function holds(
  when: {attempt?: number | undefined; promptContains?: string | undefined} | undefined,
  scene: Scene,
  prompt: string,
): boolean {
  if (when?.attempt !== undefined && when.attempt !== scene.attempt) return false;
  return when?.promptContains === undefined || prompt.includes(when.promptContains);
}

/** Without a script nothing is edited: the answer says what was asked, and hands in a made-up result where one is demanded. */
function unscriptedTurn(scene: Scene, steps: readonly Step[]): Turn {
  if (steps.at(-1)?.kind !== 'said') return {text: 'The script of this rehearsal ends here.'};
  const asked = lastSaid(steps).slice(0, QUOTE_CHARACTERS);
  const text = `No model was called: this is a rehearsal. It was asked: ${asked}`;
  if (scene.resultSchema === undefined || scene.isSubagent) return {text};
  const sample = sampleOfSchema(scene.resultSchema);
  const input = typeof sample === 'object' && sample !== null && !Array.isArray(sample) ? sample : {};
  return {text, calls: [{tool: RESULT_TOOL, input}]};
}

const QUOTE_CHARACTERS = 500;

function firstSaid(steps: readonly Step[]): string {
  return steps.find(step => step.kind === 'said')?.text ?? '';
}

function lastSaid(steps: readonly Step[]): string {
  return steps.findLast(step => step.kind === 'said')?.text ?? '';
}

function fillIn(turn: Turn, scene: Scene, prompt: string): Turn {
  const values: Readonly<Record<string, string>> = {
    worktree: scene.worktree,
    task: scene.taskId ?? '',
    attempt: String(scene.attempt),
    session: scene.session ?? '',
    prompt,
  };
  const text = (value: string): string =>
    value.replace(
      /\{\{(worktree|task|attempt|session|prompt)\}\}/g,
      (_all, name: string) => values[name] ?? '',
    );
  const json = (value: JsonValue): JsonValue => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(json);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, json(inner)]));
  };
  const input = (call: {input: Record<string, JsonValue>}): Record<string, JsonValue> =>
    Object.fromEntries(Object.entries(call.input).map(([key, inner]) => [key, json(inner)]));
  return {
    ...turn,
    ...(turn.thinking === undefined ? {} : {thinking: text(turn.thinking)}),
    ...(turn.text === undefined ? {} : {text: text(turn.text)}),
    ...(turn.calls ? {calls: turn.calls.map(call => ({tool: call.tool, input: input(call)}))} : {}),
  };
}

/** Where a run's plan comes from: a file, text on stdin, or one prompt that is made a plan of one task. */
import path from 'node:path';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {readText} from '../local/readText.ts';
import {type PlanReading, readPlan} from '../plan.ts';
import type {RunOptions} from './runOptions.ts';

export interface PlanSource {
  readonly read: PlanReading;
  /** As a person named it. */
  readonly name: string;
  /** Relative paths of the plan start here. */
  readonly folder: string;
  /** Absolute, where there is one: a rehearsal's script is beside it. */
  readonly file: string | undefined;
}

const STDIN = '-';
const LONGEST_NAME = 72;

export async function readPlanSource(
  planFile: string | undefined,
  {goalTask, tasksFrom}: RunOptions,
  io: CommandIo,
): Promise<PlanSource> {
  const given = [planFile, goalTask, tasksFrom].filter(source => source !== undefined);
  if (given.length !== 1)
    throw new CoordinatorError('config', 'name one plan file, or give --tasks-from or --goal-task', {
      hint: 'mcpx run PLAN',
    });
  if (goalTask !== undefined) {
    const prompt = goalTask === STDIN ? await readText(STDIN) : goalTask;
    return inline('(the task)', JSON.stringify(planOfOneTask(prompt)), io);
  }
  if (planFile === STDIN || tasksFrom === STDIN) return inline('(stdin)', await readText(STDIN), io);
  const file = path.resolve(io.cwd, planFile ?? tasksFrom ?? '');
  const name = planFile ?? tasksFrom ?? '';
  const folder = planFile === undefined ? io.cwd : path.dirname(file);
  return {read: await readPlan(name, io), name, folder, file};
}

async function inline(name: string, text: string, io: CommandIo): Promise<PlanSource> {
  const read = await readPlan(name, {...io, readFile: () => Promise.resolve(Buffer.from(text))});
  return {read, name, folder: io.cwd, file: undefined};
}

function planOfOneTask(prompt: string): object {
  const [line = ''] = prompt.trim().split('\n');
  if (line === '') throw new CoordinatorError('config', 'the task is empty: say what is to be done');
  const name = line.length > LONGEST_NAME ? `${line.slice(0, LONGEST_NAME - 1)}…` : line;
  return {name, agents: 1, tasks: [{id: 'task', title: name, prompt}]};
}

/** For programs: the problems of a plan that is none. */
export function planError({read, name}: Pick<PlanSource, 'read' | 'name'>): object {
  const diagnostics = read.kind === 'invalid' ? read.diagnostics : [];
  const message =
    read.kind === 'unreadable' ? `${name}: ${read.message}` : `${name} is not a plan that can be run`;
  return {error: {code: 'plan', message, diagnostics}};
}

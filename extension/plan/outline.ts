/** The tasks of a plan and where they name each other, read from text that need not be whole. Pure. */
import {type Document, isMap, isNode, isScalar, isSeq} from 'yaml';
import {itemsOf, memberAt, type Span, spanOf, textOf} from './planSyntax.ts';

/** A task id where it is written. */
export interface Mention extends Span {
  readonly id: string;
}

export interface TaskOutline {
  readonly index: number;
  readonly id: Mention | undefined;
  readonly title: string | undefined;
  readonly work: 'prompt' | 'run' | undefined;
  /** The prompt or the command. */
  readonly text: string;
  /** The whole task. */
  readonly span: Span;
  readonly dependsOn: readonly Mention[];
  readonly affinity: readonly Mention[];
  readonly gates: readonly (Span & {readonly name: string})[];
}

export interface PlanOutline {
  readonly name: (Span & {readonly text: string}) | undefined;
  readonly tasks: readonly TaskOutline[];
  /** Of `defaults`. */
  readonly affinity: readonly Mention[];
}

export function outlinePlan({contents}: Document): PlanOutline {
  const name = memberAt(contents, 'name');
  const text = textOf(name);
  return {
    name: text !== undefined && isScalar(name) ? {text, ...spanOf(name)} : undefined,
    tasks: itemsOf(memberAt(contents, 'tasks')).flatMap((item, index) =>
      isNode(item) ? [taskOutline(item, index, spanOf(item))] : [],
    ),
    affinity: affinityOf(memberAt(contents, 'defaults')),
  };
}

function taskOutline(item: unknown, index: number, span: Span): TaskOutline {
  const [prompt, run] = [textOf(memberAt(item, 'prompt')), textOf(memberAt(item, 'run'))];
  return {
    index,
    id: mentionsOf(memberAt(item, 'id'))[0],
    title: textOf(memberAt(item, 'title')),
    work: prompt !== undefined ? 'prompt' : run !== undefined ? 'run' : undefined,
    text: prompt ?? run ?? '',
    span,
    dependsOn: mentionsOf(memberAt(item, 'dependsOn')),
    affinity: affinityOf(item),
    gates: itemsOf(memberAt(item, 'gates')).flatMap(gate => {
      const shown = textOf(gate) ?? textOf(memberAt(gate, 'name')) ?? textOf(memberAt(gate, 'command'));
      return shown !== undefined && isNode(gate) ? [{name: shown, ...spanOf(gate)}] : [];
    }),
  };
}

/** Kinds of affinity that name tasks. */
export const TASK_AFFINITIES: ReadonlySet<unknown> = new Set(['sameAgent', 'sameRegion', 'apart']);

function affinityOf(owner: unknown): Mention[] {
  return itemsOf(memberAt(owner, 'affinity')).flatMap(rule =>
    isMap(rule) && TASK_AFFINITIES.has(textOf(memberAt(rule, 'kind')))
      ? mentionsOf(memberAt(rule, 'with'))
      : [],
  );
}

/** Of one id, or of a list of them. */
function mentionsOf(node: unknown): Mention[] {
  const id = textOf(node);
  if (id !== undefined && isScalar(node)) return [{id, ...spanOf(node)}];
  return isSeq(node) ? node.items.flatMap(mentionsOf) : [];
}

export function taskOf({tasks}: PlanOutline, id: string): TaskOutline | undefined {
  return tasks.find(task => task.id?.id === id);
}

/** Ids of the tasks that directly wait for this one. */
export function dependentsOf({tasks}: PlanOutline, id: string): string[] {
  return tasks.flatMap(task =>
    task.id && task.dependsOn.some(mention => mention.id === id) ? [task.id.id] : [],
  );
}

/** This task and all that wait for it, directly or not: it cannot depend on any of them. */
export function downstreamOf({tasks}: PlanOutline, id: string): ReadonlySet<string> {
  const dependents = new Map<string, string[]>();
  for (const task of tasks) {
    for (const mention of task.dependsOn) {
      const known = dependents.get(mention.id) ?? [];
      if (task.id) known.push(task.id.id);
      dependents.set(mention.id, known);
    }
  }
  const reached = new Set([id]);
  for (const each of reached) for (const next of dependents.get(each) ?? []) reached.add(next);
  return reached;
}

/** Where a task's id is written, and where others name it. */
export interface TaskMentions {
  readonly id: string;
  readonly here: Span;
  readonly definition: Mention | undefined;
  readonly references: readonly Mention[];
}

/** Undefined where no task is named. */
export function mentionsAt(outline: PlanOutline, offset: number): TaskMentions | undefined {
  const references = [
    ...outline.affinity,
    ...outline.tasks.flatMap(({dependsOn, affinity}) => [...dependsOn, ...affinity]),
  ];
  const definitions = outline.tasks.flatMap(({id}) => (id ? [id] : []));
  const here = [...definitions, ...references].find(({from, to}) => from <= offset && offset <= to);
  if (!here) return undefined;
  const sameId = ({id}: Mention): boolean => id === here.id;
  return {
    id: here.id,
    here,
    definition: definitions.find(sameId),
    references: references.filter(sameId),
  };
}

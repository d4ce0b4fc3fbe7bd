/** What may be written at a place of a plan: keys that are not there yet, values, tasks, what the fleet has, and whole pieces. Pure. */
import {isMap, isSeq} from 'yaml';
import {type FleetWords, NO_FLEET} from './fleetWords.ts';
import {downstreamOf, outlinePlan, type PlanOutline, TASK_AFFINITIES} from './outline.ts';
import {type PlanCursor, planCursor, STAND_IN} from './planCursor.ts';
import {isKind, keysAt, type SchemaKey, type SchemaNode, valuesAt} from './planSchema.ts';
import type {Span} from './planSyntax.ts';
import {GATE_SNIPPETS, PLAN_SNIPPET, type PlanSnippet, TASK_SNIPPETS} from './snippets.ts';

export interface PlanCompletion {
  readonly kind: 'key' | 'value' | 'task' | 'agent' | 'snippet';
  readonly label: string;
  readonly detail?: string;
  readonly documentation?: string;
  /** In the syntax of snippets. */
  readonly insert: string;
  /** What it replaces. */
  readonly span: Span;
  /** More is to be chosen right after it. */
  readonly continues: boolean;
}

/** In the order in which they are to be shown. `json`: keys are the JSON editor's. */
export function completePlan(
  text: string,
  offset: number,
  fleet: FleetWords = NO_FLEET,
  format: 'yaml' | 'json' = 'yaml',
): PlanCompletion[] {
  const cursor = planCursor(text, offset);
  if (!cursor) return [];
  const outline = outlinePlan(cursor.document);
  if (cursor.kind === 'key') return format === 'json' ? [] : keyCompletions(cursor);
  return [
    ...names(cursor, outline, fleet),
    ...(format === 'json' ? [] : choices(cursor)),
    ...(cursor.isBlockItem ? [...snippets(cursor), ...keyCompletions(cursor)] : []),
  ];
}

function keyCompletions(cursor: PlanCursor): PlanCompletion[] {
  const {path, siblings, kind, word} = cursor;
  const isNew = kind === 'value';
  const keys = keysAt(path, siblings)
    .filter(({name}) => isNew || !siblings.has(name))
    .filter(({name}) => !isExcluded(name, siblings, path))
    .map(key => keyCompletion(key, cursor));
  const isEmpty = path.length === 0 && siblings.size === 0;
  const inTasks = path.length === 1 && path[0] === 'tasks' && kind === 'key';
  return [
    ...(isEmpty ? [pieceOf(PLAN_SNIPPET, word)] : []),
    ...(inTasks ? TASK_SNIPPETS.map(snippet => pieceOf(snippet, word)) : []),
    ...keys,
  ];
}

/** A task is a prompt or a command. */
function isExcluded(
  name: string,
  siblings: ReadonlyMap<string, unknown>,
  path: readonly PropertyKey[],
): boolean {
  if (!isTask(path)) return false;
  return (name === 'run' && siblings.has('prompt')) || (name === 'prompt' && siblings.has('run'));
}

function isTask(path: readonly PropertyKey[]): boolean {
  return path.length === 2 && path[0] === 'tasks';
}

function keyCompletion({name, schema, required}: SchemaKey, cursor: PlanCursor): PlanCompletion {
  const pad = `\n${' '.repeat(cursor.pad + 2)}`;
  const value = cursor.isFlow ? FLOW_VALUES[shapeOf(schema, name)] : BLOCK_VALUES[shapeOf(schema, name)];
  return {
    kind: 'key',
    label: name,
    ...(required ? {detail: 'required'} : {}),
    ...(schema.description === undefined ? {} : {documentation: schema.description}),
    insert: cursor.hasColon ? name : name + value.replaceAll('\n', pad),
    span: cursor.word,
    continues: !cursor.hasColon && CONTINUED.has(shapeOf(schema, name)),
  };
}

type Shape = 'mapping' | 'list' | 'words' | 'text' | 'choice' | 'plain';
const BLOCK_VALUES: Readonly<Record<Shape, string>> = {
  mapping: ':\n$0',
  list: ':\n- $0',
  words: ': [$0]',
  text: ': |\n$0',
  choice: ': $0',
  plain: ': $0',
};
const FLOW_VALUES: Readonly<Record<Shape, string>> = {
  mapping: ': { $0 }',
  list: ': [$0]',
  words: ': [$0]',
  text: ': "$0"',
  choice: ': $0',
  plain: ': $0',
};
const CONTINUED: ReadonlySet<Shape> = new Set(['mapping', 'list', 'words', 'choice']);

function shapeOf(schema: SchemaNode, name: string): Shape {
  const kinds = [schema, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  if (schema.enum || name === 'strategy') return 'choice';
  if (name === 'prompt') return 'text';
  const list = kinds.find(kind => isKind(kind, 'array'));
  if (list) return list.items && isKind(list.items, 'string') ? 'words' : 'list';
  return kinds.some(kind => isKind(kind, 'object')) ? 'mapping' : 'plain';
}

function snippets(cursor: PlanCursor): PlanCompletion[] {
  const {path, word} = cursor;
  const pieces = isTask(path) ? TASK_SNIPPETS : path.at(-2) === 'gates' ? GATE_SNIPPETS : [];
  // The first "- " stands there already.
  return pieces.map(piece => pieceOf({...piece, body: piece.body.slice(2)}, word));
}

/** The editor indents further lines as the line is. */
function pieceOf({label, detail, body}: PlanSnippet, span: Span): PlanCompletion {
  return {kind: 'snippet', label, detail, insert: body, span, continues: false};
}

/** Values of which one has to be chosen. */
function choices({path, listed, word}: PlanCursor): PlanCompletion[] {
  const known = [...valuesAt(path), ...(OPEN_VALUES[String(path.at(-1))] ?? []).map(value => ({value}))];
  return known
    .filter(({value}) => !listed.has(value))
    .map(({value, ...more}) => ({
      kind: 'value',
      label: value,
      ...('description' in more && more.description !== undefined ? {documentation: more.description} : {}),
      insert: value,
      span: word,
      continues: false,
    }));
}

/** Where any text may stand, but these are known. */
const OPEN_VALUES: Readonly<Record<string, readonly string[]>> = {
  strategy: ['capability-weighted', 'ai-optimized', 'geographic-affinity', 'round-robin'],
  model: ['opus', 'sonnet', 'haiku'],
};

/** Tasks, and what the fleet has. */
function names(cursor: PlanCursor, outline: PlanOutline, fleet: FleetWords): PlanCompletion[] {
  const {path, listed, siblings} = cursor;
  const place = path.filter(part => typeof part === 'string').join('.');
  if (place === 'tasks.dependsOn') return taskNames(cursor, outline, true);
  if (/^(?:tasks\.syncPoint(?:\.name)?|(?:tasks\.|defaults\.)?rollback\.syncPoint)$/.test(place))
    return words(syncPoints(cursor), cursor);
  if (/^(?:tasks|defaults)\.affinity\.with$/.test(place)) {
    const kind = siblings.get('kind');
    if (kind === 'region') return words(fleet.regions, cursor);
    if (kind === 'agent') return words(fleet.agents, cursor);
    return TASK_AFFINITIES.has(kind) ? taskNames(cursor, outline, false) : [];
  }
  const required = /^(?:tasks|defaults)\.requires\.(.+)$/.exec(place)?.[1];
  const known = required === undefined ? [] : (REQUIRED[required]?.(fleet) ?? []);
  return words(
    known.filter(word => !listed.has(word)),
    cursor,
  );
}

/** Named in the plan, but for the word that is being typed. */
function syncPoints({document}: PlanCursor): string[] {
  const tasks = document.get('tasks');
  const names = isSeq(tasks)
    ? tasks.items.flatMap(task => {
        const point: unknown = isMap(task) ? task.get('syncPoint') : undefined;
        const name: unknown = isMap(point) ? point.get('name') : point;
        return typeof name === 'string' ? name : [];
      })
    : [];
  return [...new Set(names)].filter(name => name !== STAND_IN);
}

const REQUIRED: Readonly<Record<string, (fleet: FleetWords) => readonly string[]>> = {
  capabilities: fleet => fleet.capabilities,
  'capabilities.domain': fleet => fleet.capabilities,
  'capabilities.specialization': fleet => fleet.specializations,
  specializations: fleet => fleet.specializations,
  region: fleet => fleet.regions,
  tags: fleet => fleet.tags,
};

function words(known: readonly string[], {word, listed}: PlanCursor): PlanCompletion[] {
  return known
    .filter(each => !listed.has(each))
    .map(each => ({kind: 'agent', label: each, insert: escaped(each), span: word, continues: false}));
}

/** `acyclic`: none that waits for the task in which it is written. */
function taskNames(
  {path, listed, word}: PlanCursor,
  outline: PlanOutline,
  acyclic: boolean,
): PlanCompletion[] {
  const own = outline.tasks.find(({index}) => path[0] === 'tasks' && index === path[1])?.id?.id;
  const excluded =
    own === undefined ? new Set<string>() : acyclic ? downstreamOf(outline, own) : new Set([own]);
  return outline.tasks.flatMap(({id, title}) =>
    id === undefined || excluded.has(id.id) || listed.has(id.id)
      ? []
      : [
          {
            kind: 'task',
            label: id.id,
            ...(title === undefined ? {} : {detail: title}),
            insert: id.id,
            span: word,
            continues: false,
          },
        ],
  );
}

/** As text of a snippet. */
function escaped(text: string): string {
  return text.replaceAll(/[\\$}]/g, '\\$&');
}

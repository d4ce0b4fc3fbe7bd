/**
 * The tasks of the large plan: layers, each of which needs files of the one before. Their number says all about them. Most are commands; others have
 * gates, are prompts, or are divided. Where Claude Code works, as author or reviewer, is in two lanes, so that no more than two are wanted at a time.
 * In the middle of them is a point to which all of it is rolled back once, because of what a judge of a later layer finds.
 */
import {Chance} from '../../simulation/world/chance.ts';

export type Kind =
  | 'command'
  | 'gated'
  | 'measured'
  | 'shaped'
  | 'reviewed'
  | 'prompt'
  /** Divided: over a list, over files that its first attempt finds, into shards whose values are put together. */
  | 'list'
  | 'files'
  | 'shards'
  /** Claude Code asks for tasks of others while it works. */
  | 'delegating'
  /** Its gate rolls back to the point. */
  | 'judged';

export interface WholeTask {
  readonly id: string;
  readonly kind: Kind;
  readonly after: readonly string[];
  /** Files of the tasks that it depends on. */
  readonly needs: readonly string[];
  readonly seconds: number;
  /** It arrives at the point. */
  readonly arrives: boolean;
  /** Behind the point, so that it is undone once if it is done by then. */
  readonly isBehind: boolean;
  /** A command undoes it, and each of its parts. */
  readonly compensates: boolean;
}

/** What a list is of. */
export const ITEMS = ['a', 'b', 'c'];
export const SHARDS = 3;
export const DELEGATED = 2;

const SEED = 1;
const LANES = 2;
const MOST_SECONDS = 3;
const MOST_DEPENDENCIES = 3;
const WIDEST_LAYER = 24;
const LAYERS = 8;
const POINT_LAYER = 2;
const JUDGE_LAYER = 5;

/** For these Claude Code works: the author, or the reviewer. */
const IN_LANES: ReadonlySet<Kind> = new Set(['prompt', 'reviewed', 'delegating']);
/** Between the point and the judge all of these are rolled back. */
const UNDONE_IN_ANY_CASE: ReadonlySet<Kind> = new Set([
  ...(['prompt', 'reviewed', 'delegating'] as const),
  ...(['list', 'files', 'shards'] as const),
]);
const COMPENSATED: ReadonlySet<Kind> = new Set(['prompt', 'delegating', 'list', 'judged']);

export function drawTasks(count: number): WholeTask[] {
  const chance = new Chance(SEED);
  const width = Math.max(2, Math.min(WIDEST_LAYER, Math.ceil(count / LAYERS)));
  const tasks: WholeTask[] = [];
  const lanes: string[] = [];
  const layerOf = (layer: number) => tasks.slice(layer * width, (layer + 1) * width);
  for (let at = 0; at < count; at++) {
    const layer = Math.floor(at / width);
    const place = at % width;
    const before = layer === 0 ? [] : layerOf(layer - 1);
    const after = new Set(
      chance.some(
        before.map(({id}) => id),
        1 + chance.whole(MOST_DEPENDENCIES),
      ),
    );
    const arrives = layer === POINT_LAYER && (place === 0 || place === width - 1);
    const kind = arrives ? 'command' : layer === JUDGE_LAYER && place === 0 ? 'judged' : kindOf(at);
    const isBetween = layer > POINT_LAYER && layer < JUDGE_LAYER;
    const arriving = layerOf(POINT_LAYER).filter(task => task.arrives);
    if (isBetween && (place < 2 || UNDONE_IN_ANY_CASE.has(kind)))
      after.add(chance.pick(arriving.map(({id}) => id)));
    if (kind === 'judged')
      for (const other of tasks)
        if (UNDONE_IN_ANY_CASE.has(other.kind) && other.isBehind) after.add(other.id);
    if (layer === JUDGE_LAYER && place === 1) after.add(before.length > 0 ? idOf(at - 1) : '');
    const id = idOf(at);
    if (IN_LANES.has(kind)) {
      const ahead = lanes.at(-LANES);
      if (ahead !== undefined) after.add(ahead);
      lanes.push(id);
    }
    const needed = tasks.filter(task => after.has(task.id));
    const isBehind = needed.some(task => task.arrives || task.isBehind);
    tasks.push({
      id,
      kind,
      after: [...after],
      needs: needed.flatMap(filesOf),
      seconds: Math.round(chance.between(0, MOST_SECONDS) * 10) / 10,
      arrives,
      isBehind,
      compensates: isBehind && (COMPENSATED.has(kind) || (kind === 'command' && at % 3 === 0)),
    });
  }
  return tasks;
}

/** What the task and its parts leave. */
export function filesOf({id, kind}: Pick<WholeTask, 'id' | 'kind'>): string[] {
  const numbered = (count: number) => Array.from({length: count}, (_none, at) => `${id}-${at + 1}.txt`);
  switch (kind) {
    case 'list':
      return ITEMS.map(item => `${id}-${item}.txt`);
    case 'files':
      return numbered(SHARDS);
    case 'delegating':
      return [`${id}.txt`, ...numbered(DELEGATED)];
    default:
      return [`${id}.txt`];
  }
}

function idOf(at: number): string {
  return `t-${String(at + 1).padStart(3, '0')}`;
}

function kindOf(at: number): Kind {
  if (at % 15 === 7) return 'prompt';
  if (at % 40 === 18) return 'reviewed';
  if (at % 50 === 19) return 'delegating';
  if (at % 40 === 16) return 'list';
  if (at % 40 === 23) return 'files';
  if (at % 40 === 31) return 'shards';
  if (at % 12 === 5) return at % 24 === 5 ? 'gated' : 'measured';
  return at % 30 === 11 ? 'shaped' : 'command';
}

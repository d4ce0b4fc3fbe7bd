/** What goes wrong in a whole run, drawn from its seed: an endless series of faults that overlap, each with its victim and its length. How they are inflicted is disturbances.ts. */
import {Chance} from '../../simulation/world/chance.ts';

export const WHOLE_KINDS = [
  /** kill -9; it starts again afterwards. */
  'killAgent',
  'killCoordinator',
  /** SIGSTOP, then SIGCONT. */
  'stopAgent',
  'stopCoordinator',
  /** One hears nothing of the other, which hears it. */
  'cutOneWay',
  'cutBoth',
  /** Its cable is out. */
  'unplug',
  /** Agents behind slow links come to have much slower ones. */
  'slow',
] as const;
export type WholeKind = (typeof WHOLE_KINDS)[number];

/** Those who may be hurt. */
export interface Cast {
  readonly agents: readonly string[];
  readonly nodes: readonly string[];
  /** Hosts of agents. */
  readonly hosts: readonly string[];
  /** Where the client is. */
  readonly clients: string;
}

export interface WholeFault {
  readonly number: number;
  /** Since the run began. */
  readonly atMs: number;
  readonly durationMs: number;
  readonly kind: WholeKind;
  /** An agent, a coordinator or a host; `lead`: whichever coordinator leads then. */
  readonly victim: string;
  /** Of a cut. */
  readonly other?: string;
}

const KILLED_MS = [300, 12_000] as const;
/** Beyond lease and grace, in part. */
const AWAY_MS = [1000, 45_000] as const;
const ON_LEAD = 0.4;
const LEAD = 'lead';

/** In the order of their time; the same for a seed each time. */
export function* drawWholeFaults(seed: number, perMinute: number, cast: Cast): Generator<WholeFault> {
  const chance = new Chance(seed);
  let kinds: WholeKind[] = [];
  let atMs = 0;
  for (let number = 1; ; number++) {
    atMs += Math.round(Math.min(chance.around(60_000 / perMinute), 180_000 / perMinute));
    if (kinds.length === 0) kinds = chance.some(WHOLE_KINDS, WHOLE_KINDS.length);
    const kind = kinds.pop() ?? 'killAgent';
    const range = kind.startsWith('kill') ? KILLED_MS : AWAY_MS;
    // Short ones are more frequent.
    const durationMs = Math.round(range[0] + chance.next() ** 2 * (range[1] - range[0]));
    yield {number, atMs, durationMs, kind, ...victimOf(kind, cast, chance)};
  }
}

export function describeWholeFault({number, atMs, durationMs, kind, victim, other}: WholeFault): string {
  const whom = other === undefined ? victim : `${victim} to ${other}`;
  return `${number}: at ${seconds(atMs)} ${kind} ${whom} for ${seconds(durationMs)}`;
}

function victimOf(
  kind: WholeKind,
  {agents, nodes, hosts, clients}: Cast,
  chance: Chance,
): Pick<WholeFault, 'victim' | 'other'> {
  switch (kind) {
    case 'killAgent':
    case 'stopAgent':
      return {victim: chance.pick(agents)};
    case 'killCoordinator':
    case 'stopCoordinator':
      return {victim: chance.happens(ON_LEAD) ? LEAD : chance.pick(nodes)};
    case 'unplug':
      return {victim: chance.pick([...nodes, ...hosts, LEAD])};
    case 'slow':
      return {victim: 'slow links'};
    default: {
      const [node = '', other = ''] = chance.some(nodes, 2);
      const far = chance.pick([...hosts, clients, other, other]);
      return chance.happens(0.5) ? {victim: node, other: far} : {victim: far, other: node};
    }
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

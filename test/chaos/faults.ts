/** What goes wrong in a run, drawn from its seed: which faults, in which order, upon whom, and for how long. How they are inflicted is inflict.ts. */
import {type Random, seededRandom} from '../../coordinator/runtime/random.ts';

export const FAULT_KINDS = [
  'killAgent',
  'killCoordinator',
  'killBoth',
  'killEverything',
  'killAgainAndAgain',
  'cutLong',
  'cutShort',
  'zombieAsleep',
  'zombieLate',
  'pauseCoordinator',
  'sleep',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** After the hold began, or was let go. */
  readonly afterMs: number;
  /** Upon the agent that has the hold, or upon another one. */
  readonly target: 'holder' | 'other';
  /** When the hold may end. `before`: the fault falls while its result is committed, sent and accepted. Zombies choose their own moment. */
  readonly release: 'before' | 'during' | 'after';
  /** Pause before what was killed starts again. */
  readonly restartMs: number;
  /** How long a coordinator that is killed again and again lives each time. */
  readonly livesMs: readonly number[];
}

/** Times of a run; all in ms but the lease. */
export interface Tempo {
  readonly leaseSeconds: number;
  readonly lossGraceMs: number;
  readonly longCutMs: number;
  readonly pauseMs: number;
  readonly sleepMs: number;
}

/** As installed: agents are given up after 10 s of silence and 15 s of grace. */
export const REAL_TEMPO: Tempo = {
  leaseSeconds: 10,
  lossGraceMs: 15_000,
  longCutMs: 30_000,
  pauseMs: 60_000,
  sleepMs: 60_000,
};

/** A fifth of it: every fault is as long as before when measured in leases. */
export const QUICK_TEMPO: Tempo = {
  leaseSeconds: 3,
  lossGraceMs: 2000,
  longCutMs: 8000,
  pauseMs: 12_000,
  sleepMs: 12_000,
};

const LIVES = 4;
const LONGEST_LIFE_MS = 2000;
const RELEASES = ['before', 'during', 'after'] as const;

/** Three different kinds; each kind comes first in turn as seeds count up. */
export function drawFaults(seed: number): Fault[] {
  const random = seededRandom(seed);
  const first = FAULT_KINDS[seed % FAULT_KINDS.length] ?? 'killAgent';
  const others = shuffled(
    FAULT_KINDS.filter(kind => kind !== first),
    random,
  );
  return shuffled([first, ...others.slice(0, 2)], random).map(kind => ({
    kind,
    afterMs: Math.round(random.next() * 800),
    target: random.next() < 0.7 ? 'holder' : 'other',
    release: RELEASES[Math.floor(random.next() * RELEASES.length)] ?? 'after',
    restartMs: Math.round(random.next() ** 2 * 4000),
    livesMs: Array.from({length: LIVES}, () => Math.round(random.next() ** 2 * LONGEST_LIFE_MS)),
  }));
}

const TARGETLESS: ReadonlySet<FaultKind> = new Set([
  ...(['killCoordinator', 'killEverything', 'killAgainAndAgain', 'pauseCoordinator', 'sleep'] as const),
  ...(['zombieAsleep', 'zombieLate'] as const),
]);

export function describeFault({kind, afterMs, target, release, restartMs, livesMs}: Fault): string {
  const lives = kind === 'killAgainAndAgain' ? `, lives of ${livesMs.join(', ')} ms` : '';
  const restart = kind.startsWith('kill') ? `, again after ${restartMs} ms${lives}` : '';
  const whom = TARGETLESS.has(kind) ? '' : ` of the ${target}`;
  const ends = kind.startsWith('zombie') ? '' : `, hold ends ${release}`;
  return `${kind}${whom} at +${afterMs} ms${restart}${ends}`;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(Math.floor(random.next() * left.length), 1));
  return result;
}

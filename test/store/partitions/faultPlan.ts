/** What goes wrong in a run, drawn from its seed: which faults, in which order, upon whom, for how long. How they are inflicted is inflict.ts. */
import {Chance} from '../../simulation/world/chance.ts';

export const FAULT_KINDS = [
  /** The victim's cable is out. */
  'unplug',
  /** The victim and the other members do not reach each other; clients reach all. */
  'isolate',
  /** The others hear nothing of the victim, which hears them. */
  'mute',
  /** The victim hears nothing of the others, which hear it. */
  'deafen',
  /** The other two reach the victim, but not each other. */
  'bridge',
  /** No member reaches another. */
  'shatter',
  /** Clients do not reach the victim; members do. */
  'hide',
  /** kill -9. */
  'kill',
  'killAll',
  /** SIGSTOP. */
  'freeze',
  'fillDisk',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const PROCESS_KINDS: ReadonlySet<FaultKind> = new Set(['kill', 'killAll', 'freeze', 'fillDisk']);

export interface Fault {
  readonly kind: FaultKind;
  readonly victim: 'leader' | 'follower' | 'otherFollower';
}

/** Faults at the same time, and the quiet after them. */
export interface Step {
  readonly faults: readonly Fault[];
  readonly durationMs: number;
  readonly quietMs: number;
  /** The quiet begins when the cluster answers again, rather than with the healing. */
  readonly recovers: boolean;
}

const STEPS = 6;
const DURATION_MS = [1500, 3500] as const;
const QUIET_MS = [300, 1200] as const;
/** Part of the steps with a second fault, of the process where the first is of the network. */
const DOUBLE = 0.35;
/** Part of the steps after which the next waits until the cluster has recovered. */
const RECOVERS = 0.75;
const ON_LEADER = 0.6;

/** Different kinds; each comes first in turn as seeds count up. */
export function drawPlan(seed: number, steps = STEPS): Step[] {
  const chance = new Chance(seed);
  const first = FAULT_KINDS[seed % FAULT_KINDS.length] ?? 'unplug';
  const rest = FAULT_KINDS.filter(kind => kind !== first);
  const kinds = [first, ...chance.some(rest, rest.length)].slice(0, steps);
  return kinds.map(kind => {
    const isProcess = PROCESS_KINDS.has(kind);
    const others = FAULT_KINDS.filter(other => PROCESS_KINDS.has(other) !== isProcess);
    const victim = chance.happens(ON_LEADER) ? 'leader' : 'follower';
    const second = {kind: chance.pick(others), victim: 'otherFollower'} as const;
    return {
      faults: chance.happens(DOUBLE) ? [{kind, victim}, second] : [{kind, victim}],
      durationMs: Math.round(chance.between(...DURATION_MS)),
      quietMs: Math.round(chance.between(...QUIET_MS)),
      recovers: chance.happens(RECOVERS),
    };
  });
}

export function describeStep({faults, durationMs}: Step): string {
  const what = faults.map(({kind, victim}) =>
    kind === 'killAll' || kind === 'shatter' ? kind : `${kind} ${victim}`,
  );
  return `${what.join(' + ')} for ${(durationMs / 1000).toFixed(1)} s`;
}

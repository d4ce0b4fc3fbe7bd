/** Attempts as bars in lanes, a lane an agent, with rows for what an agent does at once. Pure. */
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';

export interface Bar {
  readonly attempt: AttemptRecord;
  /** Wall time in ms. */
  readonly from: number;
  readonly to: number;
  /** Below the lane's top. */
  readonly row: number;
}

export interface Lane {
  readonly agentId: string;
  readonly rows: number;
  readonly bars: readonly Bar[];
}

/** In the order in which agents began. `wallNow` ends what still runs. */
export function lanesOf(attempts: Iterable<AttemptRecord>, wallNow: number): Lane[] {
  const byAgent = new Map<string, AttemptRecord[]>();
  const sorted = [...attempts].sort((a, b) => beganAt(a) - beganAt(b));
  for (const attempt of sorted) {
    const own = byAgent.get(attempt.agentId) ?? [];
    own.push(attempt);
    byAgent.set(attempt.agentId, own);
  }
  return [...byAgent].map(([agentId, own]) => {
    const freeAt: number[] = [];
    const bars = own.map(attempt => {
      const from = beganAt(attempt);
      const to = Math.max(from, attempt.endedAt ?? wallNow);
      const free = freeAt.findIndex(at => at <= from);
      const row = free < 0 ? freeAt.length : free;
      freeAt[row] = to;
      return {attempt, from, to, row};
    });
    return {agentId, rows: Math.max(1, freeAt.length), bars};
  });
}

function beganAt({startedAt, assignedAt}: AttemptRecord): number {
  return startedAt ?? assignedAt;
}

const STEPS_MS = [
  100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000,
];

/** Distance of the ticks of an axis, so that they are at least `minPx` apart. */
export function tickStep(msPerPx: number, minPx: number): number {
  return STEPS_MS.find(step => step / msPerPx >= minPx) ?? STEPS_MS.at(-1) ?? 86_400_000;
}

/** Time since the beginning, as an axis says it: 0:05, 1:30, 2:00:00. */
export function axisTime(ms: number, stepMs: number): string {
  const total = Math.floor(ms / 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const fraction = stepMs < 1000 ? `.${Math.floor((ms % 1000) / 100)}` : '';
  if (hours > 0) return `${hours}:${two(minutes)}:${two(seconds)}${fraction}`;
  return `${minutes}:${two(seconds)}${fraction}`;
}

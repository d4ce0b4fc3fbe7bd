/** Durations as people write them: a number of seconds, or text such as `90s`, `10m` and `1h30m`. */
import * as z from 'zod';

const UNIT_MS: Readonly<Record<string, number>> = {ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000};
const TEXT = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const LONGEST_MS = 30 * 86_400_000;

/** Milliseconds, or undefined when the text is not a duration. */
export function parseDuration(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value * 1000 : undefined;
  const text = value.trim().replaceAll(' ', '');
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!TEXT.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    total += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  return total;
}

/** Parses to milliseconds, at most 30 days. */
export const Duration = z
  .union([z.number(), z.string()])
  .describe('Seconds as a number, or text such as "90s", "10m", "1h30m".')
  .transform((value, context) => {
    const ms = parseDuration(value);
    if (ms === undefined || ms > LONGEST_MS) {
      context.issues.push({
        code: 'custom',
        input: value,
        message: 'not a duration: write seconds as a number, or "90s", "10m", "1h30m" (at most 30 days)',
      });
      return z.NEVER;
    }
    return Math.round(ms);
  });

/** 5400000 -> `1h30m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)}s`;
  const seconds = Math.round(ms / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return hours > 0
    ? `${hours}h${String(minutes).padStart(2, '0')}m`
    : `${minutes}m${String(seconds % 60).padStart(2, '0')}s`;
}

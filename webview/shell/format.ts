/** Numbers as people read them. Pure. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** `850 ms`, `4.2 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < MINUTE) return `${(ms / SECOND).toFixed(ms < 10 * SECOND ? 1 : 0)} s`;
  const pad = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ${pad((ms % MINUTE) / SECOND)} s`;
  return `${Math.floor(ms / HOUR)} h ${pad((ms % HOUR) / MINUTE)} min`;
}

export function dollars(usd: number): string {
  return `$${usd.toFixed(usd !== 0 && usd < 0.1 ? 4 : 2)}`;
}

export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** power;
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${units[power]}`;
}

/** 12,345 */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** 14:03:27, in the person's time zone. */
export function clockTime(wallMs: number): string {
  return new Date(wallMs).toLocaleTimeString('en-GB');
}

/** Date and time, as the person's system writes them. */
export function dateTime(wallMs: number): string {
  return new Date(wallMs).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'short'});
}

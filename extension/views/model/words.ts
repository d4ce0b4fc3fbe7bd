/** How the trees word what they show: translations, times, amounts. Pure. */
import {formatDuration} from '../../../coordinator/protocol/plan/duration.ts';

export type Translate = (text: string, ...values: (string | number)[]) => string;

export interface Words {
  readonly t: Translate;
  /** Wall time in ms. */
  readonly now: () => number;
  /** A BCP 47 tag. */
  readonly locale: string;
  /** The machine's own when absent. */
  readonly timeZone?: string;
}

const LONGEST_LINE = 160;
const DAY_MS = 86_400_000;

/** English with its values, for tests and wherever nothing is translated. */
export function english(text: string, ...values: (string | number)[]): string {
  return text.replaceAll(/\{(\d+)\}/g, (whole, index: string) => String(values[Number(index)] ?? whole));
}

/** What there is of these, with dots between. */
export function joined(...parts: readonly (string | undefined)[]): string | undefined {
  const shown = parts.filter(part => part !== undefined && part !== '');
  return shown.length === 0 ? undefined : shown.join(' · ');
}

/** The first line of a message that may go on with evidence. */
export function headline(message: string): string {
  const line = message.trimStart().split('\n', 1)[0] ?? '';
  return line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 1)}…` : line;
}

/** `a, b, c and 4 more`. */
export function listed(names: readonly string[], {t}: Words, most = 3): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? t('{0} and {1} more', shown, names.length - most) : shown;
}

/** Undefined for nothing spent. */
export function cost(usd: number): string | undefined {
  if (usd <= 0) return undefined;
  return usd < 0.01 ? '<$0.01' : dollars(usd);
}

export function dollars(usd: number): string {
  return `$${usd.toFixed(2)}`;
}

/** Whole seconds, so that what runs is not drawn anew for less. */
export function duration(ms: number): string {
  return formatDuration(ms < 10_000 ? Math.round(ms / 1000) * 1000 || 1000 : ms).replace('.0s', 's');
}

/** The local day of a wall time, as `2026-01-31`. */
export function dayOf(at: number, {timeZone}: Words): string {
  return format('en-CA', timeZone, {year: 'numeric', month: '2-digit', day: '2-digit'}).format(at);
}

export function dayLabel(day: string, words: Words): string {
  const now = words.now();
  if (day === dayOf(now, words)) return words.t('Today');
  if (day === dayOf(now - DAY_MS, words)) return words.t('Yesterday');
  const date = Date.parse(`${day}T12:00:00Z`);
  return format(words.locale, 'UTC', {
    weekday: 'short',
    day: 'numeric',
    month: 'long',
    year: 'numeric',
  }).format(date);
}

export function timeOfDay(at: number, {locale, timeZone}: Words): string {
  return format(locale, timeZone, {hour: '2-digit', minute: '2-digit'}).format(at);
}

export function dateAndTime(at: number, {locale, timeZone}: Words): string {
  return format(locale, timeZone, {dateStyle: 'medium', timeStyle: 'medium'}).format(at);
}

export function ago(at: number, {t, now}: Words): string {
  const seconds = Math.max(0, Math.round((now() - at) / 1000));
  if (seconds < 5) return t('now');
  if (seconds < 60) return t('{0} s ago', Math.floor(seconds / 5) * 5);
  if (seconds < 3600) return t('{0} min ago', Math.floor(seconds / 60));
  if (seconds < 86_400) return t('{0} h ago', Math.floor(seconds / 3600));
  return t('{0} d ago', Math.floor(seconds / 86_400));
}

/** Making a formatter costs more than its use. */
const formats = new Map<string, Intl.DateTimeFormat>();

function format(
  locale: string,
  timeZone: string | undefined,
  options: Intl.DateTimeFormatOptions,
): Intl.DateTimeFormat {
  const key = JSON.stringify([locale, timeZone, options]);
  const known = formats.get(key) ?? new Intl.DateTimeFormat(locale, {...options, timeZone});
  formats.set(key, known);
  return known;
}

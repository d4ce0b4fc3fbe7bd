/** Why a target of the benchmark is missed where it is: what the time goes to, as profiles show it. */
import type {Row} from '../statistics.ts';

/** The first whose pattern fits the figure's name. */
const REASONS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /added (p50|CPU)/,
    'a call passes the door (host, token), finds its tool and crosses the pipes of the server behind; plain calls go around the SDK on both sides. What the server behind costs is in ' +
      'both figures, and the difference of two times is small: rounds that others on the machine disturb differ by more than that.',
  ],
  [
    /tools and one/,
    'lists are made once and handed through; what more tools add to a call is finding one by its name. Rounds that others on the machine disturb differ by more than that.',
  ],
  [/idle/, 'a connection is two sockets of Node with their buffers.'],
];

/** One line for each target that was missed. */
export function reasonsOf(rows: readonly Row[]): string {
  return rows
    .filter(({figure}) => !figure.ok)
    .map(
      ({figure}) =>
        `missed: ${figure.name}\n  ${REASONS.find(([pattern]) => pattern.test(figure.name))?.[1] ?? 'not known'}`,
    )
    .join('\n');
}

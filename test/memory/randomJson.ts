/** Random JSON values of few letters, so that equal parts are frequent. */

import type {JsonValue} from '../../coordinator/runtime/json.ts';
import type {Random} from '../../coordinator/runtime/random.ts';

const NAMES = ['a', 'b', 'c', '__proto__'];

export function below(random: Random, bound: number): number {
  return Math.floor(random.next() * bound);
}

export function randomJson(random: Random, depth = 3): JsonValue {
  const kind = below(random, depth > 0 ? 7 : 4);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random.next() < 0.5;
    case 2:
      return below(random, 4);
    case 3:
      return NAMES[below(random, 3)] ?? '';
    case 4:
      return Array.from({length: below(random, 3)}, () => randomJson(random, depth - 1));
    default:
      return Object.fromEntries(
        NAMES.filter(() => random.next() < 0.6).map(name => [name, randomJson(random, depth - 1)]),
      );
  }
}

/** A value that shares much with `value`. */
export function changedJson(random: Random, value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || random.next() < 0.1) return randomJson(random);
  if (Array.isArray(value)) return value.map(each => (random.next() < 0.3 ? randomJson(random, 1) : each));
  const members = Object.entries(value)
    .filter(() => random.next() < 0.85)
    .map(([name, inner]): [string, JsonValue] => [
      name,
      random.next() < 0.4 ? changedJson(random, inner) : inner,
    ]);
  const added: [string, JsonValue][] = random.next() < 0.3 ? [['d', randomJson(random, 1)]] : [];
  return Object.fromEntries([...members, ...added]);
}

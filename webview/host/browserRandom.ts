/** Randomness of a browser. */
import type {Random} from '../../coordinator/runtime/random.ts';

function bytes(count: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(count));
}

export const browserRandom: Random = {
  next: () => bytes(6).reduce((value, byte) => value * 256 + byte, 0) / 2 ** 48,
  hex: count => Array.from(bytes(count), byte => byte.toString(16).padStart(2, '0')).join(''),
};

/** Randomness as a dependency: one seed replays a run. */
import {randomBytes} from 'node:crypto';

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `bytes` random bytes as lower-case hex. */
  hex(bytes: number): string;
}

export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  hex: bytes => randomBytes(bytes).toString('hex'),
};

/** sfc32, seeded by splitmix32: small, fast, and good enough for schedules and simulations. Never for secrets. */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const splitmix = (): number => {
    mix = (mix + 0x9e3779b9) | 0;
    let t = mix ^ (mix >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) | 0;
  };
  let [a, b, c, d] = [splitmix(), splitmix(), splitmix(), splitmix()];
  const word = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  return {
    next: () => word() / 2 ** 32,
    hex(bytes) {
      let text = '';
      while (text.length < bytes * 2) text += word().toString(16).padStart(8, '0');
      return text.slice(0, bytes * 2);
    },
  };
}

/** A short sortable-by-eye identifier such as `s-9f2c41d07be3`. */
export function newId(random: Random, prefix: string, bytes = 6): string {
  return `${prefix}-${random.hex(bytes)}`;
}

/** Small fast hashes: chains over entries, digests of runs. Equal inputs give equal values; nobody attacks them. */

const PRIME = 0x01000193;

export function hashBytes(bytes: Uint8Array, seed: number): number {
  let hash = seed | 0;
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), PRIME);
  return hash >>> 0;
}

export function hashText(text: string, seed: number): number {
  let hash = seed | 0;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return hash >>> 0;
}

export function hashNumber(value: number, seed: number): number {
  let hash = Math.imul((seed | 0) ^ (value & 0xffff), PRIME);
  hash = Math.imul(hash ^ ((value / 0x10000) & 0xffff), PRIME);
  hash ^= hash >>> 15;
  return hash >>> 0;
}

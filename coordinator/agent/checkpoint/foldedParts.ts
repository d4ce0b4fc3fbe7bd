/**
 * Which of the parts that were kept before stay as they are when another is added, and which are written again together with it. Pure.
 *
 * One part a checkpoint would make a record and a restore that grow with the conversation; writing everything again each time would cost its square.
 * As in a log-structured tree, a part is folded into the new one once that has grown half as large: parts number about the logarithm of their
 * bytes, and a byte is written again about as often.
 */

/** Parts beyond this many are folded whatever their size. */
export const MAX_FOLDED_PARTS = 24;

/** How many of the oldest parts stay; `sizes` are bytes, oldest first. */
export function staying(sizes: readonly number[], added: number): number {
  let kept = Math.min(sizes.length, MAX_FOLDED_PARTS - 1);
  let bytes = sizes.slice(kept).reduce((sum, size) => sum + size, added);
  for (let last = sizes[kept - 1]; last !== undefined && last <= 2 * bytes; last = sizes[kept - 1]) {
    bytes += last;
    kept -= 1;
  }
  return kept;
}

/**
 * The mask of a WebSocket's frames that changes nothing, for `generateMask` of ws. Masks keep pages that a browser runs from writing what an old
 * proxy takes for a request of its own; programs of ours write no such pages, and masking costs both ends a pass over every byte.
 */
export function noMask(mask: Buffer): void {
  mask.fill(0);
}

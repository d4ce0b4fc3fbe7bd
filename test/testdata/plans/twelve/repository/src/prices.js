/** Cents by item. */
export const prices = {};

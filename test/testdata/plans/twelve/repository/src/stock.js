/** Pieces by item. */
export const stock = {};

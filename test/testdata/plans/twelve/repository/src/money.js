/** Amounts are whole cents. */
export const CURRENCY = "EUR";

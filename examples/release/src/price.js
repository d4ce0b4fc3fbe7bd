/** Prices are whole cents. */
export function cents(euros) {
  return Math.round(euros * 100);
}

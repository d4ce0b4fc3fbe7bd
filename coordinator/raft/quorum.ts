/** Arithmetic of majorities. */

/** The smallest number of `voters` that any other majority shares a member with. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The highest index that a majority has, given what each voter has. */
export function quorumIndex(indexes: readonly number[]): number {
  const descending = [...indexes].sort((a, b) => b - a);
  return descending[majority(indexes.length) - 1] ?? 0;
}

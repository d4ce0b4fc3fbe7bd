/** A number with its noun, for a person. Pure. */

/** `many` is `one` with an s unless it is said. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** JSON as a type, and a text of it that does not depend on the order of keys. */

export type JsonValue = null | boolean | number | string | JsonValue[] | {[key: string]: JsonValue};

export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Undefined, which schemas refuse, for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Keys sorted at every level, no white space: equal values give equal texts, so texts can be hashed. */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  });
}

/** Deeper than this, what walks a value by recursion may run out of stack. */
export const MAX_JSON_DEPTH = 128;

/** Whether arrays and objects are nested more than `depth` times. */
export function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return depth < 0;
  let level: unknown[] = [value];
  for (let at = 0; level.length > 0; at++) {
    if (at > depth) return true;
    level = level.flatMap(each =>
      typeof each === 'object' && each !== null
        ? Object.values(each).filter(inner => typeof inner === 'object' && inner !== null)
        : [],
    );
  }
  return false;
}

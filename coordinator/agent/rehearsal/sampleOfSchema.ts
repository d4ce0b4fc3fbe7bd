/** A small value that fits a JSON Schema, for results that no script gives. Keywords beyond the common ones are not looked at. */
import type {JsonValue} from '../../runtime/json.ts';

const MAX_DEPTH = 8;

export function sampleOfSchema(schema: JsonValue, depth = 0): JsonValue {
  if (schema === null || typeof schema !== 'object' || Array.isArray(schema) || depth > MAX_DEPTH) return {};
  for (const key of ['const', 'default'] as const) if (schema[key] !== undefined) return schema[key];
  for (const key of ['enum', 'examples'] as const) {
    const list = schema[key];
    if (Array.isArray(list) && list[0] !== undefined) return list[0];
  }
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) {
    const list = schema[key];
    if (Array.isArray(list) && list[0] !== undefined) return sampleOfSchema(list[0], depth + 1);
  }
  const type = Array.isArray(schema['type']) ? schema['type'][0] : schema['type'];
  switch (type) {
    case 'string':
      return 'rehearsal'.padEnd(numberOf(schema['minLength']) ?? 0, '.');
    case 'integer':
    case 'number':
      return numberOf(schema['minimum']) ?? Math.min(0, numberOf(schema['maximum']) ?? 0);
    case 'boolean':
      // A made-up verdict lets a rehearsal go on.
      return true;
    case 'null':
      return null;
    case 'array': {
      const count = numberOf(schema['minItems']) ?? 0;
      return Array.from({length: count}, () => sampleOfSchema(schema['items'] ?? {}, depth + 1));
    }
    default:
      return sampleObject(schema, depth);
  }
}

function sampleObject(schema: {[key: string]: JsonValue}, depth: number): JsonValue {
  const properties = schema['properties'];
  if (properties === null || typeof properties !== 'object' || Array.isArray(properties)) return {};
  const required = Array.isArray(schema['required']) ? schema['required'] : Object.keys(properties);
  const entries = required.flatMap(name =>
    typeof name === 'string' ? [[name, sampleOfSchema(properties[name] ?? {}, depth + 1)] as const] : [],
  );
  return Object.fromEntries(entries);
}

function numberOf(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

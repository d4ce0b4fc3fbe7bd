/**
 * Arguments of tools that travel as HTTP headers too (`x-mcp-header` in a tool's schema, 2026-07-28): which declarations a client must refuse. A
 * tool with one of them is shown to nobody. Sending the headers is the SDK's.
 */
import {isJsonObject} from '../runtime/json.ts';

const KEY = 'x-mcp-header';
/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES: ReadonlySet<unknown> = new Set(['string', 'integer', 'boolean']);
/** Whatever is below one of these may be absent or mean something else from call to call. */
const MAPS_OF_SCHEMAS: ReadonlySet<string> = new Set([
  '$defs',
  'definitions',
  'patternProperties',
  'dependentSchemas',
]);
const SCHEMAS: ReadonlySet<string> = new Set([
  ...[
    'items',
    'prefixItems',
    'contains',
    'additionalProperties',
    'unevaluatedProperties',
    'unevaluatedItems',
  ],
  ...['propertyNames', 'oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else'],
]);

/** What is wrong, for a log; undefined where nothing is. */
export function headerFault(inputSchema: unknown): string | undefined {
  return visit(inputSchema, '', true, new Set());
}

/** `known`: names of headers so far, in lower case. `fixed`: there are only names of properties on the way here. */
function visit(schema: unknown, path: string, fixed: boolean, known: Set<string>): string | undefined {
  if (Array.isArray(schema)) return first(schema, entry => visit(entry, path, fixed, known));
  if (!isJsonObject(schema)) return undefined;
  const fault = KEY in schema ? declarationFault(schema, path, fixed, known) : undefined;
  if (fault !== undefined) return fault;
  return first(Object.entries(schema), ([keyword, below]) => {
    if (keyword === 'properties' || MAPS_OF_SCHEMAS.has(keyword))
      return isJsonObject(below)
        ? first(Object.entries(below), ([name, child]) =>
            visit(child, `${path}/${name}`, fixed && keyword === 'properties', known),
          )
        : undefined;
    return SCHEMAS.has(keyword) ? visit(below, `${path}<${keyword}>`, false, known) : undefined;
  });
}

function declarationFault(
  {[KEY]: name, type}: Readonly<Record<string, unknown>>,
  path: string,
  fixed: boolean,
  known: Set<string>,
): string | undefined {
  if (!fixed || path === '') return `${path}: ${KEY} is for properties only`;
  if (typeof name !== 'string' || !TOKEN.test(name)) return `${path}: ${KEY} is no name of a header`;
  if (!TYPES.has(type)) return `${path}: ${KEY} is for strings, integers and booleans`;
  if (known.has(name.toLowerCase())) return `${path}: ${KEY} ${name} is there twice`;
  known.add(name.toLowerCase());
  return undefined;
}

function first<T>(entries: readonly T[], look: (entry: T) => string | undefined): string | undefined {
  for (const entry of entries) {
    const found = look(entry);
    if (found !== undefined) return found;
  }
  return undefined;
}

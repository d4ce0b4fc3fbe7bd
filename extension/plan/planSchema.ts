/** The plan's JSON Schema asked by place: which keys a mapping may have, which values a key. Pure. */
import * as z from 'zod';
import {planJsonSchema} from '../../coordinator/protocol/plan/jsonSchema.ts';

const SchemaNode = z.object({
  type: z.union([z.string(), z.array(z.string())]).optional(),
  description: z.string().optional(),
  default: z.json().optional(),
  enum: z.array(z.json()).optional(),
  const: z.json().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), SchemaNode).optional();
  },
  get items() {
    return SchemaNode.optional();
  },
  get anyOf() {
    return z.array(SchemaNode).optional();
  },
  get oneOf() {
    return z.array(SchemaNode).optional();
  },
  get additionalProperties() {
    return z.union([z.boolean(), SchemaNode]).optional();
  },
});
export type SchemaNode = z.infer<typeof SchemaNode>;

let root: SchemaNode | undefined;

function rootSchema(): SchemaNode {
  root ??= SchemaNode.parse(planJsonSchema());
  return root;
}

/** What may stand at the path, each kind of value by itself; the first is the whole, for its description. */
export function schemasAt(path: readonly PropertyKey[]): readonly SchemaNode[] {
  let found: readonly SchemaNode[] = alternatives(rootSchema());
  for (const part of path)
    found = found.flatMap(schema => {
      const inner = typeof part === 'number' ? schema.items : memberOf(schema, String(part));
      return inner ? alternatives(inner) : [];
    });
  return found;
}

function memberOf({properties, additionalProperties}: SchemaNode, name: string): SchemaNode | undefined {
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  return typeof additionalProperties === 'object' ? additionalProperties : undefined;
}

function alternatives(schema: SchemaNode): readonly SchemaNode[] {
  return [schema, ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(alternatives)];
}

export interface SchemaKey {
  readonly name: string;
  readonly schema: SchemaNode;
  readonly required: boolean;
}

/**
 * Of the mapping at the path, in the order of the schema. Of mappings that are told apart by their `type` all, or those that fit what is
 * `written` of one: where it has no type, the kind that needs none.
 */
export function keysAt(
  path: readonly PropertyKey[],
  written?: ReadonlyMap<string, unknown>,
): readonly SchemaKey[] {
  const keys = schemasAt(path)
    .filter(schema => !written || isMeant(schema, written.get('type')))
    .flatMap(({properties = {}, required = []}) =>
      Object.entries(properties).map(([name, schema]) => ({name, schema, required: required.includes(name)})),
    );
  return firsts(keys, ({name}) => name);
}

function isMeant({properties, required = []}: SchemaNode, type: unknown): boolean {
  const own = properties?.['type']?.const;
  if (own === undefined) return true;
  return type === undefined ? !required.includes('type') : type === own;
}

function firsts<T>(all: readonly T[], nameOf: (one: T) => string): T[] {
  return [...new Map([...all].reverse().map(one => [nameOf(one), one])).values()].reverse();
}

export interface SchemaValue {
  readonly value: string;
  readonly description: string | undefined;
}

/** The values of which one has to be chosen; none where anything may be written. */
export function valuesAt(path: readonly PropertyKey[]): readonly SchemaValue[] {
  const values = schemasAt(path).flatMap(({type, enum: choices = [], const: only, description}) => [
    ...choices.map(value => ({value: String(value), description: choiceDescription(description, value)})),
    ...(only === undefined ? [] : [{value: String(only), description}]),
    ...(type === 'boolean' ? ['true', 'false'].map(value => ({value, description: undefined})) : []),
  ]);
  return firsts(values, ({value}) => value);
}

/** Descriptions of choices are written as "first: what it does. second: …". */
function choiceDescription(description: string | undefined, value: unknown): string | undefined {
  const own = description?.match(new RegExp(`(?:^|\\. )${String(value)}: ([^.]*)`))?.[1];
  return own ?? description;
}

export function descriptionAt(path: readonly PropertyKey[]): string | undefined {
  return schemasAt(path).find(({description}) => description !== undefined)?.description;
}

export function isKind({type}: SchemaNode, kind: string): boolean {
  return type === kind || (Array.isArray(type) && type.includes(kind));
}

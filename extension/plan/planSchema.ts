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
  return [schema, ...(schema.anyOf ?? []).flatMap(alternatives)];
}

export interface SchemaKey {
  readonly name: string;
  readonly schema: SchemaNode;
  readonly required: boolean;
}

/** Of the mapping at the path, in the order of the schema. */
export function keysAt(path: readonly PropertyKey[]): readonly SchemaKey[] {
  return schemasAt(path).flatMap(({properties = {}, required = []}) =>
    Object.entries(properties).map(([name, schema]) => ({name, schema, required: required.includes(name)})),
  );
}

export interface SchemaValue {
  readonly value: string;
  readonly description: string | undefined;
}

/** The values of which one has to be chosen; none where anything may be written. */
export function valuesAt(path: readonly PropertyKey[]): readonly SchemaValue[] {
  return schemasAt(path).flatMap(({type, enum: choices = [], const: only, description}) => [
    ...choices.map(value => ({value: String(value), description: choiceDescription(description, value)})),
    ...(only === undefined ? [] : [{value: String(only), description}]),
    ...(type === 'boolean' ? ['true', 'false'].map(value => ({value, description: undefined})) : []),
  ]);
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

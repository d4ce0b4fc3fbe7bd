/**
 * A quick way past zod for values that are plainly what a schema wants, which is nearly all of them: it says yes only where the schema's parse
 * would succeed and give the very value back. Whatever it does not know, or would be changed (defaults, unknown members of an object), is left to
 * the schema, which alone refuses. Zod makes a copy, a context and a list of issues for each value that it looks at; this makes nothing.
 */
import type * as z from 'zod';

type Check = (value: unknown) => boolean;
type Schema = z.core.$ZodType;

const known = new WeakMap<Schema, Check>();

/** False says nothing. Values are JSON: undefined is never plain. */
export function isPlainlyValid(schema: Schema, value: unknown): boolean {
  return checkOf(schema)(value);
}

/** As the schema's own, without looking twice at what is plainly valid. */
export function parsePlainly<S extends z.ZodType>(
  schema: S,
  value: unknown,
): z.ZodSafeParseResult<z.infer<S>> {
  if (isPlainlyValid(schema, value)) return {success: true, data: value as z.infer<S>};
  return schema.safeParse(value);
}

const never: Check = () => false;

function checkOf(schema: Schema): Check {
  const found = known.get(schema);
  if (found) return found;
  let made: Check = never;
  // A schema that contains itself finds this, and by the time it is asked the whole.
  known.set(schema, value => made(value));
  const base = compile(schema);
  const checks = (schema._zod.def.checks ?? []).map(checkOfCheck);
  made = checks.length === 0 ? base : value => base(value) && checks.every(each => each(value));
  known.set(schema, made);
  return made;
}

function compile(schema: Schema): Check {
  const {def} = (schema as z.core.$ZodTypes)._zod;
  switch (def.type) {
    case 'string':
      return 'format' in def ? never : value => typeof value === 'string';
    case 'number':
      return 'format' in def ? never : value => typeof value === 'number' && Number.isFinite(value);
    case 'boolean':
      return value => typeof value === 'boolean';
    case 'null':
      return value => value === null;
    case 'literal':
      return value => value !== undefined && def.values.includes(value as z.core.util.Literal);
    case 'enum': {
      const values = new Set<unknown>(Object.values(def.entries));
      return value => typeof value === 'string' && values.has(value);
    }
    case 'unknown':
      return value => value !== undefined;
    case 'nullable': {
      const inner = checkOf(def.innerType);
      return value => value === null || inner(value);
    }
    case 'optional':
      return checkOf(def.innerType);
    case 'lazy': {
      // Schemas that contain themselves end here.
      let inner: Check | undefined;
      return value => {
        inner ??= checkOf(def.getter());
        return inner(value);
      };
    }
    case 'array': {
      const element = checkOf(def.element);
      return value => Array.isArray(value) && value.every(element);
    }
    // What zod makes of a record has no prototype, so that no name in it is taken for a member that every object has.
    case 'record':
      return never;
    case 'object':
      return compileObject(def);
    case 'union':
      return compileUnion(def);
    default:
      return never;
  }
}

function checkOfCheck(check: z.core.$ZodCheck): Check {
  const {def} = (check as z.core.$ZodChecks)._zod;
  switch (def.check) {
    case 'min_length':
      return value => lengthOf(value) >= def.minimum;
    case 'max_length':
      return value => lengthOf(value) <= def.maximum;
    case 'length_equals':
      return value => lengthOf(value) === def.length;
    case 'string_format':
      return compileFormat(def);
    case 'number_format':
      return def.format === 'safeint' ? Number.isSafeInteger : never;
    case 'greater_than': {
      const {value: least, inclusive} = def;
      return value => Number(value) > Number(least) || (inclusive && value === least);
    }
    case 'less_than': {
      const {value: most, inclusive} = def;
      return value => Number(value) < Number(most) || (inclusive && value === most);
    }
    default:
      return compileRefinement(def);
  }
}

function compileFormat({format, pattern}: z.core.$ZodCheckStringFormatDef): Check {
  if (format !== 'regex' || !pattern || pattern.global || pattern.sticky) return never;
  return value => typeof value === 'string' && pattern.test(value);
}

/** A refinement of the schema's own: a function from the value to whether it may pass. */
function compileRefinement(def: object): Check {
  const {check, fn} = def as {readonly check: string; readonly fn?: unknown};
  if (check !== 'custom' || typeof fn !== 'function') return never;
  return value => fn(value) === true;
}

function compileObject({shape, catchall}: z.core.$ZodObjectDef): Check {
  const members = Object.entries(shape).map(([name, schema]) => ({
    name,
    check: checkOf(schema),
    isOptional: (schema as z.core.$ZodTypes)._zod.def.type === 'optional',
  }));
  const isOpen = (catchall as z.core.$ZodTypes | undefined)?._zod.def.type === 'unknown';
  if (catchall && !isOpen && (catchall as z.core.$ZodTypes)._zod.def.type !== 'never') return never;
  return value => {
    if (!isMembers(value)) return false;
    let strangers = Object.keys(value).length;
    for (const {name, check, isOptional} of members) {
      const member = value[name];
      if (member === undefined) {
        if (!isOptional || name in value) return false;
        continue;
      }
      if (!check(member)) return false;
      strangers -= 1;
    }
    return strangers === 0 || (isOpen && !Object.hasOwn(value, '__proto__'));
  };
}

/**
 * The first option that fits is the one that counts, and one before it might fit and change the value: so among objects, and among arrays, only an
 * option that is alone or is named by the discriminator can be told.
 */
function compileUnion(def: z.core.$ZodUnionDef): Check {
  const options = def.options.map(option => ({check: checkOf(option), kind: kindOf(option), option}));
  if (options.some(({kind}) => kind === 'other')) return never;
  const scalars = options.filter(({kind}) => kind === 'scalar');
  const arrays = options.filter(({kind}) => kind === 'array');
  const objects = options.filter(({kind}) => kind === 'object');
  const {discriminator} = def as {readonly discriminator?: string};
  const ofObject = discriminator === undefined ? alone(objects) : named(objects, discriminator);
  const ofArray = alone(arrays);
  return value => {
    if (Array.isArray(value)) return ofArray(value);
    if (isMembers(value)) return ofObject(value);
    return scalars.some(({check}) => check(value));
  };
}

interface Option {
  readonly check: Check;
  readonly option: Schema;
}

function alone(options: readonly Option[]): Check {
  const [only] = options;
  return only && options.length === 1 ? only.check : never;
}

function named(options: readonly Option[], discriminator: string): Check {
  const byName = new Map<unknown, Check>();
  for (const {check, option} of options)
    for (const name of option._zod.propValues?.[discriminator] ?? []) byName.set(name, check);
  return value => isMembers(value) && byName.get(value[discriminator])?.(value) === true;
}

function kindOf(schema: Schema): 'scalar' | 'array' | 'object' | 'other' {
  const {type} = (schema as z.core.$ZodTypes)._zod.def;
  if (type === 'array') return 'array';
  if (type === 'object' || type === 'record') return 'object';
  return SCALARS.has(type) ? 'scalar' : 'other';
}

const SCALARS: ReadonlySet<string> = new Set(['string', 'number', 'boolean', 'null', 'literal', 'enum']);

function lengthOf(value: unknown): number {
  return typeof value === 'string' || Array.isArray(value) ? value.length : Number.NaN;
}

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

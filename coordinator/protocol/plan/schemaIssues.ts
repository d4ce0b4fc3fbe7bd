/** What the schema finds wrong, in words for a person who writes YAML. */
import * as z from 'zod';
import {GATE_TYPES} from '../gate.ts';
import {closest, didYouMean} from './closest.ts';
import {formatPath, MAX_DIAGNOSTICS, type PlanDiagnostic, quoted} from './diagnostics.ts';
import {PlanGate} from './gateSchema.ts';
import type {Locator} from './locate.ts';
import {PlanRollback, PlanSyncPoint} from './rollbackSchema.ts';
import {
  PlanFile,
  PlanMerge,
  PlanPermissions,
  PlanRequirements,
  PlanRetry,
  PlanTask,
  PlanWorkspace,
} from './schema.ts';

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** Wording for every issue whose schema brings none of its own. */
export function issueMessage(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
    case 'invalid_value':
      return `expected ${expectation(issue)}, found ${found(issue.input)}${issue.code === 'invalid_value' ? didYouMean(meantValue(issue.input, issue.values)) : ''}`;
    case 'unrecognized_keys':
      return undefined;
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `must ${Number(issue.minimum) === 1 ? 'not be empty' : `have at least ${count(issue)}`}`
        : `must be ${issue.inclusive ? 'at least' : 'greater than'} ${issue.minimum}, found ${found(issue.input)}`;
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `must have at most ${count(issue)}, found ${lengthOf(issue.input)}`
        : `must be at most ${issue.maximum}, found ${found(issue.input)}`;
    case 'invalid_format':
      return issue.format === 'datetime'
        ? `expected a date and time such as "2030-01-31T18:00:00Z", found ${found(issue.input)}`
        : undefined;
    default:
      return undefined;
  }
}

export function issueDiagnostics(
  issue: z.core.$ZodIssue,
  value: unknown,
  locator: Locator,
): PlanDiagnostic[] {
  const {path} = issue;
  const at = (
    message: string,
    place: 'key' | 'value' = 'value',
    where: readonly PropertyKey[] = path,
    suggestion?: string,
  ): PlanDiagnostic => ({
    severity: 'error',
    field: formatPath(where),
    message,
    position: place === 'key' ? locator.key(where) : locator.value(where),
    ...(suggestion === undefined ? {} : {suggestion}),
  });
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.slice(0, MAX_DIAGNOSTICS).map(key => {
        const meant = closest(key, keysAt(path));
        return at(`unknown key ${quoted(key)}${didYouMean(meant)}`, 'key', [...path, key], meant);
      });
    case 'invalid_key':
      return [at(issue.issues[0]?.message ?? issue.message, 'key')];
    case 'invalid_union':
      if (issue.errors.length === 0 && issue.discriminator === 'type')
        return [unknownType(at, valueAt(value, path))];
      return unionIssues(issue, valueAt(value, path)).flatMap(inner =>
        issueDiagnostics(inner, value, locator),
      );
    default: {
      const input = valueAt(value, path);
      const name = quoted(String(path.at(-1) ?? ''));
      if (input === undefined && path.length > 0) return [at(`${name} is missing`)];
      if (input === null && path.length > 0 && typeof path.at(-1) === 'string')
        return [at(`${name} has no value`)];
      const meant = issue.code === 'invalid_value' ? meantValue(input, issue.values) : undefined;
      return [at(issue.message, 'value', path, meant)];
    }
  }
}

/** Of gates, which are told apart by it. */
function unknownType(
  at: (message: string, place: 'value', where: undefined, suggestion?: string) => PlanDiagnostic,
  input: unknown,
): PlanDiagnostic {
  const meant = meantValue(input, GATE_TYPES);
  const known = either(GATE_TYPES.map(type => JSON.stringify(type)));
  return at(`expected ${known}, found ${found(input)}${didYouMean(meant)}`, 'value', undefined, meant);
}

/** The issues of the one alternative whose kind of value it is; if none is, one issue that names them all. */
function unionIssues(issue: z.core.$ZodIssueInvalidUnion, input: unknown): z.core.$ZodIssue[] {
  const prefixed = issue.errors.map(errors =>
    errors.map(inner => ({...inner, path: [...issue.path, ...inner.path]})),
  );
  const wrongKind = (errors: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined =>
    errors.find(
      inner =>
        inner.path.length === issue.path.length &&
        (inner.code === 'invalid_type' || inner.code === 'invalid_value'),
    );
  const meant = prefixed.find(errors => !wrongKind(errors));
  if (meant) return meant;
  const expected = [...new Set(prefixed.flatMap(errors => wrongKind(errors) ?? []).map(expectation))];
  const message = `expected ${either(expected)}, found ${found(input)}`;
  return [{code: 'custom', path: issue.path, message}];
}

function expectation(issue: {readonly code?: string; expected?: unknown; values?: unknown}): string {
  if (issue.code === 'invalid_value' && Array.isArray(issue.values))
    return either(issue.values.map(value => JSON.stringify(value)));
  return TYPE_NAMES[String(issue.expected)] ?? String(issue.expected);
}

function either(choices: readonly string[]): string {
  return choices.length < 2 ? choices.join('') : `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function meantValue(input: unknown, values: unknown): string | undefined {
  return typeof input === 'string' && Array.isArray(values) ? closest(input, values.map(String)) : undefined;
}

function found(input: unknown): string {
  if (input === undefined || input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'object') return 'a mapping';
  return typeof input === 'string' ? quoted(input) : String(input);
}

function lengthOf(input: unknown): number {
  return typeof input === 'string' || Array.isArray(input) ? input.length : 0;
}

function count(issue: {readonly origin?: unknown; minimum?: unknown; maximum?: unknown}): string {
  const limit = Number(issue.maximum ?? issue.minimum);
  return `${limit} ${issue.origin === 'string' ? 'characters' : 'entries'}`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (current === null || typeof current !== 'object' || !Object.hasOwn(current, part)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

const DEFAULTS_KEYS = keysOf(PlanFile.shape.defaults);
const KEYS: Readonly<Record<string, readonly string[]>> = {
  '': Object.keys(PlanFile.shape),
  tasks: Object.keys(PlanTask.shape),
  defaults: DEFAULTS_KEYS,
  retry: Object.keys(PlanRetry.shape),
  permissions: Object.keys(PlanPermissions.shape),
  requires: Object.keys(PlanRequirements.shape),
  merge: Object.keys(PlanMerge.shape),
  workspace: keysOf(PlanWorkspace),
  gates: keysOf(PlanGate),
  rollback: keysOf(PlanRollback),
  syncPoint: keysOf(PlanSyncPoint),
};

/** The keys that the mapping at `path` may have. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  const owner = path.findLast(part => typeof part === 'string') ?? '';
  return KEYS[String(owner)] ?? [];
}

/** Keys of the object in an optional or in a union. */
function keysOf(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) return Object.keys(schema.shape);
  if (schema instanceof z.ZodOptional) return keysOf(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(option => keysOf(option as z.ZodType));
  return [];
}

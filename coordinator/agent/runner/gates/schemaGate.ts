/** A gate that holds a JSON value against a JSON Schema of draft 7 or 2020-12. */
import {Ajv, type AnySchema, type ErrorObject} from 'ajv';
import {Ajv2020} from 'ajv/dist/2020.js';
import type {QualityGateConfig} from '../../../protocol/gate.ts';
import {describeError} from '../../../runtime/errors.ts';
import type {JsonValue} from '../../../runtime/json.ts';
import type {GateFinding} from './gateFinding.ts';
import {readWorktreeFile} from './worktreeFile.ts';

type SchemaGate = Extract<QualityGateConfig, {type: 'schema'}>;

const SHOWN = 50;

/** `result` is what the task left as its structured result. */
export async function checkSchema(
  {schema, file}: SchemaGate,
  worktree: string,
  result: JsonValue | undefined,
): Promise<GateFinding> {
  const read =
    typeof schema === 'string' ? await readJson(worktree, schema) : {kind: 'json' as const, value: schema};
  if (read.kind !== 'json') return {kind: 'unable', error: `the schema cannot be used: ${read.why}`};
  const subject = file === undefined ? 'the result of the task' : file;
  const found = file === undefined ? resultOf(result) : await readJson(worktree, file);
  if (found.kind !== 'json') return verdict(false, `${subject} does not fit: ${found.why}`);
  let errors: readonly ErrorObject[];
  try {
    errors = validate(read.value, found.value);
  } catch (error) {
    return {kind: 'unable', error: `the schema cannot be used: ${describeError(error)}`};
  }
  if (errors.length === 0) return verdict(true, `${subject} fits the schema`);
  const shown = errors.slice(0, SHOWN).map(lineOf);
  if (errors.length > SHOWN) shown.push(`and ${errors.length - SHOWN} more`);
  return verdict(false, [`${subject} does not fit the schema:`, ...shown].join('\n'));
}

/** Throws for a schema that is none. */
function validate(schema: JsonValue, value: JsonValue): readonly ErrorObject[] {
  const isObject = schema !== null && typeof schema === 'object' && !Array.isArray(schema);
  if (!isObject && typeof schema !== 'boolean') throw new TypeError('it is no JSON Schema');
  const named = isObject ? schema['$schema'] : undefined;
  const Validator = typeof named === 'string' && named.includes('2020-12') ? Ajv2020 : Ajv;
  // Keywords that are not known, such as those of editors, are no fault; formats are notes unless somebody checks them.
  const check = new Validator({
    allErrors: true,
    strict: false,
    validateFormats: false,
    logger: false,
  }).compile(schema as AnySchema);
  return check(value) ? [] : (check.errors ?? []);
}

function lineOf({instancePath, message, params}: ErrorObject): string {
  const detail = Object.values(params).filter(one => typeof one === 'string' && !message?.includes(one));
  return `- ${instancePath === '' ? '(whole)' : instancePath}: ${message ?? 'does not fit'}${detail.length > 0 ? ` (${detail.join(', ')})` : ''}`;
}

type Read = {readonly kind: 'json'; readonly value: JsonValue} | {readonly kind: 'not'; readonly why: string};

function resultOf(result: JsonValue | undefined): Read {
  if (result !== undefined) return {kind: 'json', value: result};
  return {kind: 'not', why: 'the task left no structured result: it needs a resultSchema'};
}

async function readJson(worktree: string, name: string): Promise<Read> {
  const text = await readWorktreeFile(worktree, name);
  if (text === undefined) return {kind: 'not', why: `there is no file ${name}`};
  try {
    return {kind: 'json', value: JSON.parse(text)};
  } catch (error) {
    return {kind: 'not', why: `${name} is not JSON: ${describeError(error)}`};
  }
}

function verdict(passed: boolean, output: string): GateFinding {
  return {kind: 'verdict', passed, output, exitCode: null};
}

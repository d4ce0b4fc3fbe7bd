/** `mcpx plan check|schema|graph`: plans without running them. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import type {Command} from 'commander';
import {formatDiagnostic, type PlanDiagnostic} from '../protocol/plan/diagnostics.ts';
import {planJsonSchema} from '../protocol/plan/jsonSchema.ts';
import {type PlanParse, parsePlanBytes} from '../protocol/plan/parse.ts';
import type {Plan} from '../protocol/plan/plan.ts';
import {counted} from '../runtime/counted.ts';
import {systemErrorCode} from '../runtime/errors.ts';
import {type JsonOption, jsonOption} from './answer.ts';
import {EXIT} from './io.ts';
import {dotGraph, mermaidGraph, textGraph} from './planGraph.ts';

export interface PlanIo {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly cwd: string;
  /** Default: from the disk. */
  readFile?(file: string): Promise<Uint8Array>;
}

export type LoadedPlan = Extract<PlanParse, {kind: 'plan'}>;
export type GraphFormat = 'text' | 'dot' | 'mermaid';

export type PlanReading = PlanParse | {readonly kind: 'unreadable'; readonly message: string};

/** The plan in a file; its problems and warnings have been written to stderr. `beside`: its tasks are added to this plan. */
export async function readPlan(file: string, io: PlanIo, beside?: Plan): Promise<PlanReading> {
  const read = await readBytes(file, io);
  if (read.kind === 'unreadable') {
    io.stderr(`${file}: error: ${read.message}\n`);
    return read;
  }
  const parsed = parsePlanBytes(read.bytes, beside);
  for (const diagnostic of diagnosticsOf(parsed)) io.stderr(`${formatDiagnostic(file, diagnostic)}\n`);
  return parsed;
}

/** Undefined when it is none. */
export async function loadPlan(file: string, io: PlanIo, beside?: Plan): Promise<LoadedPlan | undefined> {
  const read = await readPlan(file, io, beside);
  return read.kind === 'plan' ? read : undefined;
}

function diagnosticsOf(read: PlanReading): readonly PlanDiagnostic[] {
  if (read.kind === 'plan') return read.warnings;
  return read.kind === 'invalid' ? read.diagnostics : [];
}

/** 0 when every file is a plan, 1 when one is not. */
export async function planCheck(
  files: readonly string[],
  io: PlanIo,
  options: JsonOption = {json: false},
): Promise<number> {
  const found: FileCheck[] = [];
  for (const file of files) {
    const read = await readPlan(file, io);
    if (read.kind === 'plan') {
      const text = `${file}: ${describe(read.plan)}\n`;
      if (options.json) io.stderr(text);
      else io.stdout(text);
    }
    found.push(checked(file, read));
  }
  const ok = found.every(check => check.ok);
  if (options.json) io.stdout(`${JSON.stringify({ok, files: found})}\n`);
  return ok ? EXIT.ok : EXIT.failed;
}

interface FileCheck {
  readonly file: string;
  readonly ok: boolean;
  readonly name?: string | undefined;
  readonly tasks?: number | undefined;
  /** Why there is nothing to check. */
  readonly message?: string | undefined;
  readonly diagnostics: readonly PlanDiagnostic[];
}

function checked(file: string, read: PlanReading): FileCheck {
  const plan = read.kind === 'plan' ? read.plan : undefined;
  return {
    file,
    ok: plan !== undefined,
    name: plan?.name,
    tasks: plan?.tasks.length,
    message: read.kind === 'unreadable' ? read.message : undefined,
    diagnostics: diagnosticsOf(read),
  };
}

export function planSchema(io: PlanIo): number {
  io.stdout(`${JSON.stringify(planJsonSchema(), undefined, 2)}\n`);
  return EXIT.ok;
}

export async function planGraph(file: string, format: GraphFormat, io: PlanIo): Promise<number> {
  const loaded = await loadPlan(file, io);
  if (!loaded) return EXIT.failed;
  const draw = {text: textGraph, dot: dotGraph, mermaid: mermaidGraph}[format];
  io.stdout(draw(loaded.plan));
  return EXIT.ok;
}

/** The command under which they are. */
export function addPlanCommands(program: Command, io: PlanIo, done: (exit: number) => void): Command {
  const plan = program.command('plan').description('Checks, draws and drafts plans without running them.');
  jsonOption(
    plan
      .command('check <files...>')
      .description('Says what is wrong with plans, with line and column. Exit 0: every file is a plan.'),
  ).action(async (files: string[], options: JsonOption) => done(await planCheck(files, io, options)));
  plan
    .command('schema')
    .description('Prints the JSON Schema of plans, for editors.')
    .action(() => done(planSchema(io)));
  plan
    .command('graph <file>')
    .description('Draws which task waits for which.')
    .option('--dot', 'as a Graphviz graph')
    .option('--mermaid', 'as a Mermaid flowchart')
    .action(async (file: string, options: {dot?: boolean; mermaid?: boolean}, command: Command) => {
      if (options.dot && options.mermaid)
        command.error('error: choose --dot or --mermaid', {exitCode: EXIT.usage});
      done(await planGraph(file, options.dot ? 'dot' : options.mermaid ? 'mermaid' : 'text', io));
    });
  return plan;
}

type Read =
  | {readonly kind: 'bytes'; readonly bytes: Uint8Array}
  | {readonly kind: 'unreadable'; readonly message: string};

async function readBytes(file: string, io: PlanIo): Promise<Read> {
  try {
    return {kind: 'bytes', bytes: await (io.readFile ?? readFile)(path.resolve(io.cwd, file))};
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === undefined) throw error;
    return {kind: 'unreadable', message: READ_ERRORS[code] ?? `it cannot be read (${code})`};
  }
}

const READ_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a folder, not a plan file',
  EACCES: 'you may not read it',
  EPERM: 'you may not read it',
  ENAMETOOLONG: 'the name is too long for a file',
  ERR_FS_FILE_TOO_LARGE: 'it is too large for a plan',
};

function describe({name, tasks}: Plan): string {
  const prompts = tasks.filter(task => task.work.kind === 'prompt').length;
  const commands = tasks.length - prompts;
  const parts = [
    ...(prompts > 0 ? [`${prompts} for Claude Code`] : []),
    ...(commands > 0 ? [counted(commands, 'command')] : []),
  ];
  return `"${name}" is in order: ${counted(tasks.length, 'task')} (${parts.join(', ')})`;
}

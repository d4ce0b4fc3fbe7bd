/** `mcpx plan draft`: a plan for a goal, drafted by Claude Code from what is in this folder. Nothing is started. */
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import path from 'node:path';
import type {Command} from 'commander';
import {attemptEnvironment} from '../agent/claudeSetup/attemptEnvironment.ts';
import {withoutModelAccess} from '../agent/claudeSetup/authentication.ts';
import {type ClaudeSdk, loadClaudeSdk} from '../agent/drivers/claude/sdk.ts';
import {startRehearsalServer} from '../agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../agent/rehearsal/script.ts';
import {silentLogger} from '../observability/logger.ts';
import {formatDiagnostic} from '../protocol/plan/diagnostics.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type Draft, draftPlan} from './draft/draftPlan.ts';
import {type CommandIo, EXIT} from './io.ts';
import {dollars} from './local/options.ts';
import {readText} from './local/readText.ts';
import {readyClaude} from './run/requireClaude.ts';

interface Options extends JsonOption {
  readonly rehearse?: string;
  readonly model?: string;
  readonly budget?: number;
}

export function addDraftCommand(plan: Command, io: CommandIo, done: (exit: number) => void): void {
  const draft = plan
    .command('draft <goal>')
    .description(
      'Lets Claude Code draft a plan for a goal (- reads it from stdin) from what is in this folder, which it only reads. Nothing is started.',
    );
  jsonOption(draft)
    .option('--rehearse <script>', 'no model is called: the script\'s task "draft" is played')
    .option('--model <name>', 'the model to draft with')
    .option('--budget <usd>', 'it stops spending here', dollars)
    .action(async (goal: string, options: Options) => done(await draftVerb(goal, options, io)));
}

async function draftVerb(given: string, options: Options, io: CommandIo): Promise<number> {
  const goal = (given === '-' ? await readText('-') : given).trim();
  if (goal === '') throw new CoordinatorError('config', 'the goal is empty: say what is to be achieved');
  const sdk = await requireSdk();
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new CoordinatorError('cancelled', 'cancelled'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
  try {
    const draft = await withEnvironment(options, io, async env => {
      const {path: executable} = await readyClaude(env);
      const said = (line: string): void => io.stderr(`${line}\n`);
      const {model, budget: budgetUsd} = options;
      return draftPlan({goal, folder: io.cwd, executable, env, sdk, model, budgetUsd, abort, said});
    });
    return tellDraft(draft, options, io);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}

function tellDraft(draft: Draft, options: Options, io: CommandIo): number {
  const {turns, costUsd} = draft;
  const diagnostics = draft.kind === 'plan' ? draft.warnings : draft.diagnostics;
  for (const diagnostic of diagnostics) io.stderr(`${formatDiagnostic('plan', diagnostic)}\n`);
  if (draft.kind === 'plan') {
    const {text, plan, warnings} = draft;
    const rehearsal = options.rehearse !== undefined;
    const about = {name: plan.name, tasks: plan.tasks.length, turns, costUsd, rehearsal, warnings};
    answer(io, options, {plan: text, ...about}, text.endsWith('\n') ? text : `${text}\n`);
    return EXIT.ok;
  }
  const message = `Claude Code did not come to a plan that can be run, in ${turns} drafts`;
  io.stderr(`mcpx: ${message}\nThe last draft:\n${draft.text}\n`);
  const error = {code: 'plan', message, diagnostics, plan: draft.text, turns, costUsd};
  if (options.json) io.stdout(`${JSON.stringify({error})}\n`);
  return EXIT.failed;
}

async function requireSdk(): Promise<ClaudeSdk> {
  const sdk = await loadClaudeSdk();
  if (sdk) return sdk;
  throw new CoordinatorError(
    'claude',
    'the package @anthropic-ai/claude-agent-sdk is not installed beside mcpx',
    {
      hint: 'Install it there: npm install @anthropic-ai/claude-agent-sdk',
    },
  );
}

/** A person's own surroundings, or those of a rehearsal, which has no way to a model. */
async function withEnvironment<T>(
  {rehearse}: Options,
  io: CommandIo,
  work: (env: Record<string, string>) => Promise<T>,
): Promise<T> {
  const foreign = Object.fromEntries(Object.entries(io.env).filter(([name]) => !name.startsWith('MCPX_')));
  const env = attemptEnvironment(foreign);
  if (rehearse === undefined) return work(env);
  const file = path.resolve(io.cwd, rehearse);
  const script = parseRehearsalScript(await readText(file), file);
  const server = await startRehearsalServer({clock: systemClock, logger: silentLogger, script});
  const folder = await mkdtemp(path.join(tmpdir(), 'mcpx-draft-'));
  try {
    return await work({...withoutModelAccess(env), ...server.env, CLAUDE_CONFIG_DIR: folder});
  } finally {
    await server.stop();
    await rm(folder, {recursive: true, force: true, maxRetries: 5});
  }
}

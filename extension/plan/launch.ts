/** A run in the background: started through the bundled command, its beginning shown, its session opened. */
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {describeError} from '../../coordinator/runtime/errors.ts';
import {workingLong} from '../commands/asking.ts';
import {towards} from '../connection/towards.ts';
import {commandId} from '../contributions.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import type {Target} from '../target.ts';
import {isClaudeFault, offerDoctor} from './doctor.ts';

const RunAnswer = z.object({session: z.string()});

export interface Launch {
  /** Shown while it begins. */
  readonly title: string;
  /** What of `mcpx run` is particular to it. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly stdin?: string;
  /** Undefined: the plan says it, or the run brings none. */
  readonly agents: number | undefined;
}

/** Resolves with the id of the session, once that is stored: from then on it goes on without this window. */
export async function launch(services: Services, launched: Launch): Promise<string> {
  try {
    const session = await start(services, launched);
    await openGraph(services, session);
    return session;
  } catch (error) {
    if (!isClaudeFault(error)) throw error;
    offerDoctor(services, error);
    throw new vscode.CancellationError();
  }
}

async function start(services: Services, {title, args, cwd, stdin, agents}: Launch): Promise<string> {
  const {program, link} = services;
  const flags = agents === undefined ? [] : ['--agents', String(agents)];
  const slots = ['--slots', String(setting('agents.slots'))];
  const {args: where} = towards(link);
  const {session} = await workingLong(title, (signal, tell) =>
    program.call(RunAnswer, ['run', ...args, '--background', ...where, ...flags, ...slots], {
      cwd,
      signal,
      env: runEnvironment(services),
      onLine: line => {
        services.log.info(line);
        tell(line);
      },
      ...(stdin === undefined ? {} : {stdin}),
    }),
  );
  return session;
}

/** Of verbs that run Claude Code, here or at the chosen coordinator. */
export function runEnvironment({program, link}: Services): Record<string, string> {
  const claude = setting('claude.path');
  const {PATH = ''} = program.environment();
  return {
    ...(claude === '' ? {} : {PATH: [path.dirname(claude), PATH].join(path.delimiter)}),
    ...towards(link).env,
  };
}

/** The session runs, whether its page can be shown or not. */
async function openGraph({logger}: Services, sessionId: string): Promise<void> {
  const target: Target = {kind: 'session', sessionId};
  try {
    await vscode.commands.executeCommand(commandId('openGraph'), target);
  } catch (error) {
    logger.warn('the graph could not be opened', {session: sessionId, error: describeError(error)});
  }
}

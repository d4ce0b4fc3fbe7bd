/** A configuration of Claude Code's for rehearsed leads, apart from the person's own: it has been greeted already, and knows the key of the script. */
import {mkdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type {Environment} from '../../agent/claudeSetup/attemptEnvironment.ts';
import {withoutModelAccess} from '../../agent/claudeSetup/authentication.ts';
import type {RehearsalServer} from '../../agent/rehearsal/rehearsalServer.ts';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {systemErrorCode} from '../../runtime/errors.ts';

/** What Claude Code keeps there besides is its own business, such as which folders the person trusts. */
const Configuration = z.looseObject({});
const KEY_CHARACTERS = 20;

/** Without these a first start looks for Anthropic's servers, asks for a theme and a login, and whether the key may be used. */
function greeted(key: string): object {
  return {
    hasCompletedOnboarding: true,
    theme: 'dark',
    customApiKeyResponses: {approved: [key.slice(-KEY_CHARACTERS)], rejected: []},
  };
}

/** The environment of a Claude Code that plays the lead's part of the script. */
export async function rehearsedEnvironment(
  base: Environment,
  rehearsal: RehearsalServer,
  folder: string,
): Promise<Environment> {
  await mkdir(folder, {recursive: true, mode: 0o700});
  const file = path.join(folder, '.claude.json');
  const before = await readConfiguration(file);
  const wanted = {...before, ...greeted(rehearsal.env['ANTHROPIC_API_KEY'] ?? '')};
  // Another lead may be using it: it is written only where something is new.
  if (JSON.stringify(wanted) !== JSON.stringify(before)) await writeFileDurably(file, JSON.stringify(wanted));
  return {...withoutModelAccess(base), ...rehearsal.env, CLAUDE_CONFIG_DIR: folder};
}

async function readConfiguration(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return Configuration.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return {};
    // One that was cut off in the middle.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return {};
    throw error;
  }
}

/** A plan that is run by one of the extension's commands, watched to its end through the bundled command. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {existsSync, readdirSync} from 'node:fs';
import path from 'node:path';
import {promisify} from 'node:util';
import * as z from 'zod';
import {found} from '../../support/waiting.ts';
import {variable} from './surroundings.ts';

const RUN_LIMIT_MS = 240_000;

const Sessions = z.object({
  sessions: z.array(z.looseObject({id: z.string(), state: z.string(), host: z.string()})),
});

/** `start` runs a plan and answers with its session. Resolves with the session's last state, once the process that hosts it is gone. */
export async function runToEnd(start: () => Thenable<unknown>): Promise<{session: string; state: string}> {
  const session = await start();
  assert.ok(typeof session === 'string', 'nothing was started');
  return {session, state: await endOf(session)};
}

/** The session's last state, once the process that hosts it is gone. */
export function endOf(session: string): Promise<string> {
  return found(
    async () => {
      const {sessions} = Sessions.parse(JSON.parse(await mcpx('sessions', 'list', '--json')));
      const row = sessions.find(({id}) => id === session);
      return row?.host === 'gone' ? row.state : undefined;
    },
    RUN_LIMIT_MS,
    `the end of session ${session}`,
  );
}

/** For rehearsals: the Claude Code that came with the packages, where there is one; else agents look on the PATH. */
export function bundledClaude(): string | undefined {
  const folder = path.join(variable('MCPX_TEST_ROOT'), 'node_modules/@anthropic-ai');
  return readdirSync(folder)
    .map(name => path.join(folder, name, 'claude'))
    .find(file => existsSync(file));
}

/** What a verb of the bundled command prints. */
export async function mcpx(...args: string[]): Promise<string> {
  const file = path.join(variable('MCPX_TEST_ROOT'), 'dist/mcpx.mjs');
  const env = {...process.env, ELECTRON_RUN_AS_NODE: '1'};
  const {stdout} = await promisify(execFile)(process.execPath, [file, ...args], {env});
  return stdout;
}

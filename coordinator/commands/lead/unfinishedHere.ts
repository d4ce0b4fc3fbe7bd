/** Sessions of this folder that nobody works for since whoever ran them has gone: a lead that was killed, a window that was closed. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {FINAL_SESSION_STATES, type SessionRecord} from '../../protocol/model/session.ts';
import type {Directories} from '../local/directories.ts';
import {hostPid, readRun} from '../run/runFolders.ts';
import {listSessions} from '../sessions/sessionRows.ts';

export async function unfinishedHere(
  client: McpxClient,
  directories: Directories,
  folder: string,
): Promise<SessionRecord[]> {
  const found: SessionRecord[] = [];
  for (const session of await listSessions(client)) {
    if (FINAL_SESSION_STATES.has(session.state)) continue;
    const run = await readRun(directories, session.id);
    if (run?.folder !== folder || run.connect !== undefined) continue;
    if ((await hostPid(directories, session.id)) === undefined) found.push(session);
  }
  return found;
}

/** `--servers FILE` of verbs that start this machine's coordinator: its files are looked at before anything starts, and what a running one has of them is asked for. */
import path from 'node:path';
import type {Command} from 'commander';
import type {McpxClient} from '../../client/mcpxClient.ts';
import {folderOf, readServers} from '../../handlers/serverFiles.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {CommandIo} from '../io.ts';
import {printable} from '../report/terminalText.ts';

/** One file for each time that it is given: what follows may be an argument of the verb. */
export function serversOption(command: Command): Command {
  return command.option(
    '--servers <file>',
    'MCP servers to put behind the hub where its coordinator is started here, such as .mcp.json; may be repeated',
    (file: string, files: readonly string[] = []) => [...files, file],
  );
}

/** Absolute paths. Throws `config` for a file that is none of servers; servers of it that are refused are said. */
export async function serverFilesOf(files: readonly string[] | undefined, io: CommandIo): Promise<string[]> {
  const full = (files ?? []).map(file => path.resolve(io.cwd, file));
  for (const file of full) {
    const {refused} = await readServers(file, folderOf(file));
    for (const {reason} of refused) io.stderr(`An MCP server is left out: ${printable(reason)}\n`);
  }
  return full;
}

/** Of a coordinator elsewhere only the user of its machine decides which servers are behind it. */
export function refuseServersElsewhere(files: readonly string[] | undefined, where: string): void {
  if (files === undefined) return;
  throw new CoordinatorError(
    'config',
    `--servers is for a coordinator that is started here, and ${where} is elsewhere`,
    {hint: 'On its machine: mcpx servers import FILE. With --here this machine does the work.'},
  );
}

/** Of a coordinator that runs already: throws `config` where it has not all the servers of `files`. */
export async function requireServers(client: McpxClient, files: readonly string[]): Promise<void> {
  if (files.length === 0) return;
  const {servers} = await client.request('mcpx.server.list', {});
  const known = new Set(servers.map(({name}) => name));
  for (const file of files) {
    const missing = (await readServers(file, folderOf(file))).servers.filter(({name}) => !known.has(name));
    if (missing.length === 0) continue;
    const names = missing.map(({name}) => name).join(', ');
    throw new CoordinatorError(
      'config',
      `a coordinator of yours runs here already, and these servers of ${file} are not behind it: ${names}`,
      {
        hint: `Add them: mcpx servers import ${file} (or one of them: mcpx servers add). Or end that coordinator first: mcpx coordinator stop`,
      },
    );
  }
}

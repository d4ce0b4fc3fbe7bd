/** Where MCPX keeps a person's things on this machine: one folder, unless `MCPX_HOME` names another. */
import path from 'node:path';
import envPaths from 'env-paths';

export function userDataRoot(env: Readonly<Record<string, string | undefined>>): string {
  return env['MCPX_HOME'] ? path.resolve(env['MCPX_HOME']) : envPaths('mcpx', {suffix: ''}).data;
}

/** There since a person ended the coordinator on purpose, until one is started. */
export function stoppedFileUnder(root: string): string {
  return path.join(root, 'coordinator', 'stopped');
}

/** There while this person's coordinator runs on this machine, and after it was killed. */
export function endpointFileUnder(root: string): string {
  return path.join(root, 'coordinator', 'endpoint.json');
}

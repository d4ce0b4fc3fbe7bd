/** By which flags and variables a verb of the bundled command talks to the coordinator that this window is connected to. */
import type {CoordinatorLink} from './coordinatorLink.ts';

export interface Towards {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a terminal's user has chosen for the command line is not what this window shows. */
export function towards({chosen}: Pick<CoordinatorLink, 'chosen'>): Towards {
  if (chosen.kind === 'local') return {args: [], env: {MCPX_CONNECT: ''}};
  const env: Record<string, string> = chosen.token === undefined ? {} : {MCPX_TOKEN: chosen.token};
  return {args: ['--connect', chosen.name], env};
}

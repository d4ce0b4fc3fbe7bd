/** By which flags and variables a verb of the bundled command talks to the coordinator that this window is connected to. */
import type {CoordinatorLink} from './coordinatorLink.ts';

export interface Towards {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What the command line would choose by its current context or its variables does not count. */
export function towards({chosen}: Pick<CoordinatorLink, 'chosen'>): Towards {
  if (chosen.kind === 'local') return {args: ['--here'], env: {}};
  const env: Record<string, string> = chosen.token === undefined ? {} : {MCPX_TOKEN: chosen.token};
  return {args: ['--connect', chosen.name], env};
}

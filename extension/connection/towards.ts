/** By which flags and variables a verb of the bundled command talks to the coordinator that this window is connected to. */
import type {CoordinatorLink} from './coordinatorLink.ts';

export interface Towards {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** This machine's own is what verbs talk to anyway. */
export function towards({chosen}: Pick<CoordinatorLink, 'chosen'>): Towards {
  if (chosen.kind === 'local') return {args: [], env: {}};
  const env: Record<string, string> = chosen.token === undefined ? {} : {MCPX_TOKEN: chosen.token};
  return {args: ['--connect', chosen.name], env};
}

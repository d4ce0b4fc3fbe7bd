/** An agent that a person added to this machine: what it is to be, and where that is kept. */
import * as z from 'zod';
import type {Directories} from '../local/directories.ts';
import {KeptFolders} from '../local/keptFolders.ts';

export const KeptAgent = z.object({
  v: z.literal(1),
  name: z.string(),
  slots: z.number().int().positive(),
  region: z.string().optional(),
  /** Default: this user's own coordinator on this machine. */
  join: z.string().optional(),
  token: z.string().optional(),
  caPin: z.string().optional(),
  /** Absolute path of the script that its rehearsals play; it works on nothing else then. */
  rehearsal: z.string().optional(),
  claude: z.string().optional(),
  /** It ends when it has had no coordinator for this long. */
  goneAfterMs: z.number().int().positive(),
  log: z.string(),
});
export type KeptAgent = z.infer<typeof KeptAgent>;

export function keptAgents({added}: Directories): KeptFolders<typeof KeptAgent> {
  return new KeptFolders(added, KeptAgent, 'agent');
}

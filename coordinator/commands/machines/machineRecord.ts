/** A machine that a person added: how it is reached, what works there for whom, and how its tunnel is. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {systemErrorCode} from '../../runtime/errors.ts';
import type {Directories} from '../local/directories.ts';
import {KeptFolders} from '../local/keptFolders.ts';

export const Machine = z.object({
  v: z.literal(1),
  name: z.string(),
  destination: z.string(),
  sshOptions: z.array(z.string()),
  node: z.string(),
  home: z.string(),
  /** Of our program, there. */
  folder: z.string(),
  slots: z.number().int().positive(),
  region: z.string().optional(),
  claude: z.string().optional(),
  /** Of the coordinator, as this machine reaches it. */
  url: z.string(),
  token: z.string(),
  caPin: z.string().optional(),
  log: z.string(),
});
export type Machine = z.infer<typeof Machine>;

export const TunnelState = z.object({
  open: z.boolean(),
  /** On the other machine; kept over reopenings, so that the agent finds it again. */
  port: z.number().int().positive().optional(),
});
export type TunnelState = z.infer<typeof TunnelState>;

export function machineFolders({machines}: Directories): KeptFolders<typeof Machine> {
  return new KeptFolders(machines, Machine, 'machine');
}

export async function readTunnelState(folder: string): Promise<TunnelState> {
  try {
    return TunnelState.parse(JSON.parse(await readFile(stateFile(folder), 'utf8')));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return {open: false};
    throw error;
  }
}

export function writeTunnelState(folder: string, state: TunnelState): Promise<void> {
  return writeFileDurably(stateFile(folder), JSON.stringify(state));
}

function stateFile(folder: string): string {
  return path.join(folder, 'tunnel.json');
}

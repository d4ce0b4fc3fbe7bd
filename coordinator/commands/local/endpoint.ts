/** The endpoint file: how other processes of the same user find the coordinator that runs on a data directory. Private (0600): it holds a token. */
import {readFile, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';

export const Endpoint = z.object({
  pid: z.number().int().positive(),
  /** `ws://127.0.0.1:PORT/mcpx` or `wss://…`. */
  url: z.string(),
  /** A client token of full rights on this machine. */
  token: z.string(),
  /** For agents that this user starts here. */
  agentToken: z.string(),
  /** PEM of the cluster's CA when `url` is wss. */
  ca: z.string().optional(),
  coordinator: z.string(),
  version: z.string(),
  startedAt: z.number(),
});
export type Endpoint = z.infer<typeof Endpoint>;

export function endpointFile(directory: string): string {
  return path.join(directory, 'endpoint.json');
}

/** There since a person ended the coordinator on purpose, until one is started: whoever would start it again by itself leaves that alone. */
function stoppedFile(directory: string): string {
  return path.join(directory, 'stopped');
}

export async function markStopped(directory: string): Promise<void> {
  await writeFile(stoppedFile(directory), '', {mode: 0o600});
}

/** Undefined when there is none, or when it is unreadable: then the coordinator is treated as absent and its lock decides. */
export async function readEndpoint(directory: string): Promise<Endpoint | undefined> {
  const text = await readFile(endpointFile(directory), 'utf8').catch((error: unknown) => {
    const code = systemErrorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CoordinatorError('config', `cannot read ${endpointFile(directory)}`, {cause: error});
  });
  if (text === undefined) return undefined;
  try {
    return Endpoint.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

/** Of a coordinator that is ready: it was not stopped, or is not any more. */
export async function writeEndpoint(directory: string, endpoint: Endpoint): Promise<void> {
  await writeFileDurably(endpointFile(directory), `${JSON.stringify(endpoint, null, 2)}\n`);
  await rm(stoppedFile(directory), {force: true});
}

export async function removeEndpoint(directory: string): Promise<void> {
  await rm(endpointFile(directory), {force: true});
}

/** What a coordinator keeps beside its store: its id, the tokens of its own user, and the port that its agents know. Private (0600). */
import {mkdir, readFile} from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import {writeFileDurably} from './runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from './runtime/errors.ts';
import type {Random} from './runtime/random.ts';

const Identity = z.object({
  v: z.literal(1),
  coordinator: z.string(),
  clientToken: z.string().min(32),
  agentToken: z.string().min(32),
  port: z.number().int().positive().optional(),
});
export type Identity = z.infer<typeof Identity>;

const TOKEN_BYTES = 32;

export class DataDirectory {
  private constructor(
    readonly root: string,
    private current: Identity,
  ) {}

  static async open(root: string, random: Random): Promise<DataDirectory> {
    await mkdir(root, {recursive: true, mode: 0o700});
    const file = identityFile(root);
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      if (systemErrorCode(error) === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) return new DataDirectory(root, parseIdentity(text, file));
    const identity: Identity = {
      v: 1,
      coordinator: `c-${random.hex(4)}`,
      clientToken: random.hex(TOKEN_BYTES),
      agentToken: random.hex(TOKEN_BYTES),
    };
    await writeFileDurably(file, `${JSON.stringify(identity, null, 2)}\n`);
    return new DataDirectory(root, identity);
  }

  get identity(): Identity {
    return this.current;
  }

  get storeFolder(): string {
    return path.join(this.root, 'store');
  }

  get artifactFolder(): string {
    return path.join(this.root, 'artifacts');
  }

  /** Agents come back to the port that they know. */
  async keepPort(port: number): Promise<void> {
    if (this.current.port === port) return;
    this.current = {...this.current, port};
    await writeFileDurably(identityFile(this.root), `${JSON.stringify(this.current, null, 2)}\n`);
  }
}

function identityFile(root: string): string {
  return path.join(root, 'identity.json');
}

function parseIdentity(text: string, file: string): Identity {
  try {
    return Identity.parse(JSON.parse(text));
  } catch (error) {
    throw new CoordinatorError('corrupt', `${file} is not readable as an identity`, {
      cause: error,
      hint: 'Restore it from a backup: agents know this coordinator by what is in it.',
    });
  }
}

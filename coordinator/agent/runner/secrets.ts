/** Values of the secrets that tasks name, from the agent's own environment or its secrets file; they never leave the machine. */
import {readFile, stat} from 'node:fs/promises';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {CoordinatorError} from '../../runtime/errors.ts';

const SecretsFile = z.record(z.string(), z.string());

export type ResolvedSecrets =
  | {readonly kind: 'found'; readonly values: Readonly<Record<string, string>>}
  | {readonly kind: 'missing'; readonly names: readonly string[]}
  /** Names that no task may have. */
  | {readonly kind: 'reserved'; readonly names: readonly string[]};

/** The agent's own, such as the token by which it joined. */
const RESERVED = /^MCPX_/i;

export class Secrets {
  private warned = false;

  constructor(
    private readonly environment: Readonly<Record<string, string | undefined>>,
    /** A JSON object of names and values, read for every attempt, so that it may be changed at any time. */
    readonly file: string | undefined,
    private readonly logger: Logger,
  ) {}

  /** The file wins over the environment. Throws `config` when there is a file that cannot be read. */
  async resolve(names: readonly string[]): Promise<ResolvedSecrets> {
    if (names.length === 0) return {kind: 'found', values: {}};
    const reserved = names.filter(name => RESERVED.test(name));
    if (reserved.length > 0) return {kind: 'reserved', names: reserved};
    const stored = await this.read();
    const values: Record<string, string> = {};
    const missing: string[] = [];
    for (const name of names) {
      const value = stored[name] ?? this.environment[name];
      if (value === undefined) missing.push(name);
      else values[name] = value;
    }
    return missing.length > 0 ? {kind: 'missing', names: missing} : {kind: 'found', values};
  }

  private async read(): Promise<Record<string, string>> {
    if (!this.file) return {};
    try {
      const {mode} = await stat(this.file);
      if ((mode & 0o077) !== 0 && !this.warned) {
        this.warned = true;
        this.logger.warn('others on this machine may read the secrets file: chmod 600', {file: this.file});
      }
      return SecretsFile.parse(JSON.parse(await readFile(this.file, 'utf8')));
    } catch (error) {
      // The cause may quote a value: only the file is named.
      const hint = 'It has to be a JSON object of names and string values.';
      throw new CoordinatorError('config', `the secrets file ${this.file} cannot be read`, {
        hint,
        cause: nameOf(error),
      });
    }
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}

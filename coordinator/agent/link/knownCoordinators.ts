/** The coordinators that an agent was told of, on its disk: it finds the cluster again when the one that it joined is gone for good. */
import {readFile} from 'node:fs/promises';
import * as z from 'zod';
import type {Logger} from '../../observability/logger.ts';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {systemErrorCode} from '../../runtime/errors.ts';

const Kept = z.object({
  v: z.literal(1),
  /** What the agent was given to join: of another cluster nothing is taken over. */
  joined: z.array(z.string()),
  urls: z.array(z.string()).max(64),
});

export class KnownCoordinators {
  private writing = Promise.resolve();

  private constructor(
    private readonly file: string,
    private readonly joined: readonly string[],
    readonly known: readonly string[],
    private readonly logger: Logger,
  ) {}

  static async open(file: string, joined: readonly string[], logger: Logger): Promise<KnownCoordinators> {
    const kept = Kept.safeParse(await readJson(file));
    const same = kept.success && kept.data.joined.join() === joined.join();
    return new KnownCoordinators(file, joined, same ? kept.data.urls : [], logger);
  }

  readonly onTold = (urls: readonly string[]): void => {
    const text = JSON.stringify({v: 1, joined: this.joined, urls});
    this.writing = this.writing
      .then(() => writeFileDurably(this.file, text))
      .catch((error: unknown) => this.logger.warn('the coordinators were not written down', {error}));
  };

  /** Resolves when everything is written. */
  close(): Promise<void> {
    return this.writing;
  }
}

/** Undefined when there is none, or none that can be read. */
async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

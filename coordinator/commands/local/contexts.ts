/** Contexts: the coordinators that a person knows, by name, in one small private document. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import {type Adapter, Low} from 'lowdb';
import * as z from 'zod';
import {writeFileDurably} from '../../runtime/durableFile.ts';
import {CoordinatorError, systemErrorCode} from '../../runtime/errors.ts';
import {ensurePrivateDirectory} from './directories.ts';

export const Context = z.object({
  name: z.string().min(1).max(64),
  url: z.string().max(2048),
  token: z.string().max(1024).optional(),
  /** `sha256:…` of the cluster CA's public key. */
  caPin: z.string().max(128).optional(),
});
export type Context = z.infer<typeof Context>;

const ContextDocument = z.object({
  v: z.literal(1),
  current: z.string().optional(),
  contexts: z.array(Context),
});
type ContextDocument = z.infer<typeof ContextDocument>;

/** lowdb's own file adapter would create the file readable by others. */
class PrivateJsonFile implements Adapter<ContextDocument> {
  constructor(private readonly file: string) {}

  async read(): Promise<ContextDocument | null> {
    let text: string;
    try {
      text = await readFile(this.file, 'utf8');
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw new CoordinatorError('config', `cannot read ${this.file}`, {cause: error});
    }
    try {
      return ContextDocument.parse(JSON.parse(text));
    } catch (error) {
      throw new CoordinatorError('corrupt', `${this.file} is not a list of contexts`, {
        cause: error,
        hint: 'Mend it, or move it away and add the contexts again.',
      });
    }
  }

  async write(document: ContextDocument): Promise<void> {
    await ensurePrivateDirectory(path.dirname(this.file));
    await writeFileDurably(this.file, `${JSON.stringify(document, null, 2)}\n`);
  }
}

export async function openContexts(file: string): Promise<Low<ContextDocument>> {
  const contexts = new Low<ContextDocument>(new PrivateJsonFile(file), {v: 1, contexts: []});
  await contexts.read();
  return contexts;
}

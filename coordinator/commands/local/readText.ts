/** The text of a file that a person named; `-` is stdin. */
import {readFile} from 'node:fs/promises';
import {CoordinatorError} from '../../runtime/errors.ts';

/** Throws `config` when it cannot be read. */
export async function readText(file: string): Promise<string> {
  if (file === '-') return readStdin();
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CoordinatorError('config', `cannot read ${file}`, {cause: error});
  }
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

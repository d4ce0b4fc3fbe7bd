/** The JUnit report of a run, in the file that a person named. */
import {mkdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {CoordinatorError} from '../../runtime/errors.ts';

/** Throws `config` when it cannot be written. */
export async function writeReport(file: string, text: string): Promise<void> {
  try {
    await mkdir(path.dirname(file), {recursive: true});
    await writeFile(file, text);
  } catch (error) {
    throw new CoordinatorError('config', `cannot write the report ${file}`, {cause: error});
  }
}

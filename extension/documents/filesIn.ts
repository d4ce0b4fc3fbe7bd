/** Files that others name, in a folder of ours. */
import {existsSync} from 'node:fs';
import path from 'node:path';

/** Those of `paths` that are there. They come from an agent: none leads out of the folder. */
export function filesIn(folder: string, paths: readonly string[]): string[] {
  return paths
    .map(each => path.join(folder, each))
    .filter(file => file.startsWith(folder + path.sep) && existsSync(file));
}

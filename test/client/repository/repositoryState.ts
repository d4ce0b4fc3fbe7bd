/** Everything that must not change in a person's repository, as a value to compare. */
import {createHash} from 'node:crypto';
import {lstatSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import path from 'node:path';

/** Path (from the root of the checkout) to a digest of content, mode and, for the index, nothing but bytes. Empty folders count too. */
export function repositoryState(root: string): Record<string, string> {
  const state: Record<string, string> = {};
  const visit = (name: string): void => {
    const file = path.join(root, name);
    const found = lstatSync(file);
    if (found.isDirectory()) {
      state[`${name}/`] = `${found.mode}`;
      for (const entry of readdirSync(file)) visit(path.join(name, entry));
    } else {
      const content = found.isSymbolicLink() ? readlinkSync(file) : readFileSync(file);
      state[name] = `${found.mode} ${createHash('sha1').update(content).digest('hex')}`;
    }
  };
  visit('');
  return state;
}

/** Names that differ between two states. */
export function changedNames(before: Record<string, string>, after: Record<string, string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter(name => before[name] !== after[name]).sort();
}

/** Which names a ref of a session may have, and whose they are. */
import {ProtocolError} from '../protocol/errors.ts';

/** What git refuses in a ref name, beyond the characters that the schema allows. */
const UNFIT = /\.\.|\/\/|\/\.|\.$|\/$|\.lock(\/|$)/;

/** Throws `invalidParams` for a name that git could not store. */
export function checkRefName(name: string): void {
  if (UNFIT.test(name)) throw new ProtocolError('invalidParams', `git takes no ref named ${name}`);
}

/** Work in progress, for people: nothing is built on it. */
export const WIP_PREFIX = 'wip/';

/** A task has the ref of its own name, what is under that, and work in progress. */
export function ownsRefName(name: string, taskId: string): boolean {
  return name === taskId || name.startsWith(`${taskId}/`) || name.startsWith(WIP_PREFIX);
}

/** Whether two configurations can decide without each other: then two leaders could. */
import {membersOf} from '../../../coordinator/raft/configuration.ts';
import {majority} from '../../../coordinator/raft/quorum.ts';
import type {Configuration} from '../../../coordinator/raft/types.ts';

/** Every set of nodes that decides in one has a node of every set that decides in the other. By trying all sets: there are few members. */
export function doOverlap(one: Configuration, other: Configuration): boolean {
  const ids = [...new Set([...membersOf(one), ...membersOf(other)])];
  for (let set = 0; set < 2 ** ids.length; set++) {
    const isIn = (id: string): boolean => (set & (1 << ids.indexOf(id))) !== 0;
    if (decides(one, isIn) && decides(other, id => !isIn(id))) return false;
  }
  return true;
}

export function decides({voters, outgoing}: Configuration, has: (id: string) => boolean): boolean {
  const enough = (nodes: readonly string[]): boolean =>
    nodes.length === 0 || nodes.filter(has).length >= majority(nodes.length);
  return voters.length > 0 && enough(voters) && enough(outgoing);
}

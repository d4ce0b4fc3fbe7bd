/** Arithmetic of majorities, of one set of voters and of a joint configuration's two (§4.3 of the dissertation). */
import type {Configuration} from './types.ts';

type Voters = Pick<Configuration, 'voters' | 'outgoing'>;

export type VoteResult = 'won' | 'lost' | 'pending';

/** The smallest number of `voters` that any other majority shares a member with. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The highest index that a majority has, given what each voter has. */
export function quorumIndex(indexes: readonly number[]): number {
  const descending = [...indexes].sort((a, b) => b - a);
  return descending[majority(indexes.length) - 1] ?? 0;
}

/** The highest index that every majority needed has. */
export function jointIndex({voters, outgoing}: Voters, indexOf: (id: string) => number): number {
  const index = quorumIndex(voters.map(indexOf));
  return outgoing.length === 0 ? index : Math.min(index, quorumIndex(outgoing.map(indexOf)));
}

/** Whether those for whom `has` holds decide. */
export function hasQuorum(configuration: Voters, has: (id: string) => boolean): boolean {
  return jointIndex(configuration, id => (has(id) ? 1 : 0)) === 1;
}

export function voteResult(configuration: Voters, votes: ReadonlyMap<string, boolean>): VoteResult {
  if (hasQuorum(configuration, id => votes.get(id) === true)) return 'won';
  return hasQuorum(configuration, id => votes.get(id) !== false) ? 'pending' : 'lost';
}

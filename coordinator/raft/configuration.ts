/** Who belongs to a cluster, and the steps from one configuration to the next (chapter 4 of the dissertation). */
import {assert} from '../runtime/assert.ts';
import type {Configuration, MembershipChange, MembershipRefusal} from './types.ts';

export const NO_CONFIGURATION: Configuration = {voters: [], outgoing: [], learners: [], learnersNext: []};

export type NextConfiguration =
  | {readonly kind: 'next'; readonly configuration: Configuration}
  | {
      readonly kind: 'refused';
      readonly reason: Extract<MembershipRefusal, 'joint' | 'noVoters' | 'unchanged' | 'invalid'>;
    };

/** The first one of a cluster. */
export function initialConfiguration(
  voters: readonly string[],
  learners: readonly string[] = [],
): Configuration {
  return {voters: sorted(voters), outgoing: [], learners: sorted(learners), learnersNext: []};
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

export function isVoter({voters, outgoing}: Configuration, id: string): boolean {
  return voters.includes(id) || outgoing.includes(id);
}

/** Everyone who gets entries, once. */
export function membersOf({voters, outgoing, learners}: Configuration): string[] {
  return sorted([...voters, ...outgoing, ...learners]);
}

/** One voter more or less is a single step: any two majorities still overlap (§4.2). More of them need a joint configuration. */
export function nextConfiguration(
  from: Configuration,
  changes: readonly MembershipChange[],
): NextConfiguration {
  if (isJoint(from)) return {kind: 'refused', reason: 'joint'};
  const nodes = changes.map(change => change.node);
  if (nodes.includes('') || new Set(nodes).size < nodes.length) return {kind: 'refused', reason: 'invalid'};
  const voters = new Set(from.voters);
  const learners = new Set(from.learners);
  for (const {action, node} of changes) {
    voters.delete(node);
    learners.delete(node);
    if (action === 'addVoter') voters.add(node);
    else if (action === 'addLearner') learners.add(node);
  }
  if (voters.size === 0) return {kind: 'refused', reason: 'noVoters'};
  const target = initialConfiguration([...voters], [...learners]);
  if (sameConfiguration(target, from)) return {kind: 'refused', reason: 'unchanged'};
  const changed = symmetricDifference(from.voters, target.voters);
  if (changed <= 1) return {kind: 'next', configuration: target};
  const demoted = target.learners.filter(node => from.voters.includes(node));
  return {
    kind: 'next',
    configuration: {
      voters: target.voters,
      outgoing: from.voters,
      learners: target.learners.filter(node => !demoted.includes(node)),
      learnersNext: demoted,
    },
  };
}

/** What follows a joint configuration. */
export function leaveJoint(from: Configuration): Configuration {
  return initialConfiguration(from.voters, [...from.learners, ...from.learnersNext]);
}

export function sameConfiguration(one: Configuration, other: Configuration): boolean {
  const others = asLists(other);
  return asLists(one).every((list, at) => list.join() === others[at]?.join());
}

/** The data of a `configuration` entry. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(configuration));
}

export function decodeConfiguration(data: Uint8Array): Configuration {
  const value: unknown = JSON.parse(new TextDecoder().decode(data));
  assert(typeof value === 'object' && value !== null, 'a configuration is an object');
  return {
    voters: nodesOf(value, 'voters'),
    outgoing: nodesOf(value, 'outgoing'),
    learners: nodesOf(value, 'learners'),
    learnersNext: nodesOf(value, 'learnersNext'),
  };
}

function nodesOf(value: object, field: keyof Configuration): string[] {
  const nodes: unknown = Reflect.get(value, field);
  assert(Array.isArray(nodes), `a configuration lists its ${field}`);
  return nodes.map(node => {
    assert(typeof node === 'string' && node !== '', `${field} of a configuration are names`);
    return node;
  });
}

function asLists({voters, outgoing, learners, learnersNext}: Configuration): readonly (readonly string[])[] {
  return [voters, outgoing, learners, learnersNext];
}

function symmetricDifference(one: readonly string[], other: readonly string[]): number {
  return one.filter(id => !other.includes(id)).length + other.filter(id => !one.includes(id)).length;
}

function sorted(nodes: readonly string[]): string[] {
  return [...new Set(nodes)].sort();
}

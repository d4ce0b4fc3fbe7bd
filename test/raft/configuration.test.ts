/** Steps from one configuration to the next, and the majorities that they leave. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeConfiguration,
  encodeConfiguration,
  initialConfiguration,
  isJoint,
  leaveJoint,
  membersOf,
  nextConfiguration,
} from '../../coordinator/raft/configuration.ts';
import {hasQuorum, jointIndex, voteResult} from '../../coordinator/raft/quorum.ts';
import type {Configuration, MembershipChange} from '../../coordinator/raft/types.ts';

const NODES = ['a', 'b', 'c', 'd', 'e', 'f'];
const node = fc.constantFrom(...NODES);
const action = fc.constantFrom<MembershipChange['action']>('addVoter', 'addLearner', 'remove');
const changes = fc.uniqueArray(fc.record({action, node}), {
  selector: change => change.node,
  minLength: 1,
  maxLength: 5,
});
const configuration = fc
  .tuple(fc.uniqueArray(node, {minLength: 1, maxLength: 5}), fc.uniqueArray(node, {maxLength: 3}))
  .map(([voters, learners]) =>
    initialConfiguration(
      voters,
      learners.filter(learner => !voters.includes(learner)),
    ),
  );

/** Every set of nodes that decides. */
function quorums(one: Configuration): string[][] {
  const sets = Array.from({length: 2 ** NODES.length}, (_, bits) =>
    NODES.filter((_node, at) => (bits >> at) & 1),
  );
  return sets.filter(set => hasQuorum(one, id => set.includes(id)));
}

function overlap(one: Configuration, other: Configuration): boolean {
  const others = quorums(other);
  return quorums(one).every(set => others.every(against => set.some(id => against.includes(id))));
}

describe('configuration', () => {
  it('majorities of two that follow each other share a voter, through the joint one as well', () => {
    fc.assert(
      fc.property(configuration, changes, (from, list) => {
        const next = nextConfiguration(from, list);
        if (next.kind === 'refused') return;
        assert.ok(overlap(from, next.configuration));
        if (isJoint(next.configuration))
          assert.ok(overlap(next.configuration, leaveJoint(next.configuration)));
      }),
      {numRuns: 200},
    );
  });

  it('becomes what was asked for once a joint one is left, and loses nobody on the way', () => {
    fc.assert(
      fc.property(configuration, changes, (from, list) => {
        const next = nextConfiguration(from, list);
        if (next.kind === 'refused') return;
        const end = leaveJoint(next.configuration);
        for (const change of list) {
          assert.equal(end.voters.includes(change.node), change.action === 'addVoter');
          assert.equal(end.learners.includes(change.node), change.action === 'addLearner');
        }
        const untouched = membersOf(from).filter(id => !list.some(change => change.node === id));
        for (const id of untouched) assert.equal(end.voters.includes(id), from.voters.includes(id));
        for (const id of from.voters)
          if (isJoint(next.configuration)) assert.ok(membersOf(next.configuration).includes(id));
        assert.equal(new Set([...end.voters, ...end.learners]).size, end.voters.length + end.learners.length);
      }),
    );
  });

  it('is joint exactly when more than one voter changes', () => {
    const from = initialConfiguration(['a', 'b', 'c'], ['d']);
    const joint = (...list: MembershipChange[]): boolean | string => {
      const next = nextConfiguration(from, list);
      return next.kind === 'refused' ? next.reason : isJoint(next.configuration);
    };
    assert.equal(joint({action: 'addVoter', node: 'e'}), false);
    assert.equal(joint({action: 'addVoter', node: 'd'}), false);
    assert.equal(joint({action: 'addLearner', node: 'a'}), false);
    assert.equal(joint({action: 'addLearner', node: 'e'}, {action: 'remove', node: 'd'}), false);
    assert.equal(joint({action: 'addVoter', node: 'e'}, {action: 'remove', node: 'a'}), true);
    assert.equal(joint({action: 'addVoter', node: 'a'}), 'unchanged');
    assert.equal(joint({action: 'remove', node: 'x'}), 'unchanged');
    assert.equal(joint({action: 'addVoter', node: ''}), 'invalid');
  });

  it('comes back from its bytes', () => {
    fc.assert(
      fc.property(configuration, one => assert.deepEqual(decodeConfiguration(encodeConfiguration(one)), one)),
    );
    assert.throws(() => decodeConfiguration(Buffer.from('{"voters":["a"]}')));
    assert.throws(() => decodeConfiguration(Buffer.from('null')));
  });
});

describe('joint quorum', () => {
  const joint = {voters: ['a', 'd', 'e'], outgoing: ['a', 'b', 'c'], learners: [], learnersNext: []};

  it('has what both majorities have', () => {
    const has = new Map([
      ['a', 5],
      ['b', 9],
      ['c', 9],
      ['d', 3],
      ['e', 1],
    ]);
    assert.equal(
      jointIndex(joint, id => has.get(id) ?? 0),
      3,
    );
  });

  it('is lost when one majority is, and won when both are', () => {
    const result = (yes: string, no: string): string =>
      voteResult(
        joint,
        new Map([...[...yes].map(id => [id, true] as const), ...[...no].map(id => [id, false] as const)]),
      );
    assert.equal(result('abc', ''), 'pending');
    assert.equal(result('abc', 'de'), 'lost');
    assert.equal(result('ab', 'c'), 'pending');
    assert.equal(result('abd', ''), 'won');
    assert.equal(result('ade', 'bc'), 'lost');
  });

  it('of no voters at all decides nothing', () => {
    const none = {voters: [], outgoing: []};
    assert.equal(
      hasQuorum(none, () => true),
      false,
    );
  });
});

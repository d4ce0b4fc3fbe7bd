/** What becomes of a node's proposals when the lead changes. */
import assert from 'node:assert/strict';
import {initialConfiguration} from '../../../coordinator/raft/configuration.ts';
import type {Message} from '../../../coordinator/raft/messages.ts';
import {RaftNode} from '../../../coordinator/raft/raftNode.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {Proposer} from '../../../coordinator/store/embedded/proposer.ts';

const SETTINGS = {maxPendingProposals: 10, maxPendingBytes: 10_000, resendMs: 100};

/** Carries out what the node has to do, and returns what it says. */
function turn(node: RaftNode): Message[] {
  const said: Message[] = [];
  while (node.hasReady) {
    const ready = node.ready();
    said.push(...ready.messages);
    node.advance(ready);
  }
  return said;
}

function newLeader(): RaftNode {
  const node = new RaftNode({
    id: 'a',
    start: {index: 0, term: 0, configuration: initialConfiguration(['a', 'b'])},
    random: seededRandom(1),
  });
  node.campaign();
  const committed = {index: 0, term: 0};
  for (const kind of ['preVoteReply', 'voteReply'] as const) {
    turn(node);
    node.step({kind, to: 'a', from: 'b', term: 1, granted: true, committed});
  }
  turn(node);
  assert.equal(node.role, 'leader');
  return node;
}

describe('a proposal whose leader is followed by another', () => {
  for (const {validity, isPassedOn} of [
    {validity: 'always', isPassedOn: true},
    {validity: 'whileLeading', isPassedOn: false},
  ] as const)
    it(`is ${isPassedOn ? '' : 'not '}passed on when it is valid ${validity}`, async () => {
      const node = newLeader();
      const parts = {raft: node, clock: new ManualClock(), client: 'a.1', isAlone: false, settings: SETTINGS};
      const proposer = new Proposer(parts);
      const outcome = proposer
        .propose({kind: 'endLease', id: 'l', expired: true}, validity)
        .then(() => 'applied')
        .catch((error: unknown) => isCoordinatorError(error, 'timeout') && 'given up');
      turn(node);
      node.step({kind: 'heartbeat', to: 'a', from: 'b', term: 2, commit: 0, round: 1});
      proposer.roleChanged();
      const kinds = turn(node).map(({kind}) => kind);
      assert.equal(kinds.includes('propose'), isPassedOn);
      if (!isPassedOn) assert.equal(await outcome, 'given up');
    });
});

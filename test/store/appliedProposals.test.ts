/** A proposal that comes again is applied once, however late, also after a snapshot; the memory for that is bounded. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {AppliedProposals, MAX_CLIENTS} from '../../coordinator/store/appliedProposals.ts';
import {BinaryWriter} from '../../coordinator/store/binary.ts';
import {decodeProposal, encodeProposal} from '../../coordinator/store/proposals.ts';
import {StateMachine} from '../../coordinator/store/stateMachine.ts';
import {encodeState, StateDecoder} from '../../coordinator/store/stateSnapshot.ts';

describe('proposals', () => {
  it('are admitted once, whatever the order in which their copies come', () => {
    const copies = fc.array(fc.integer({min: 1, max: 20}), {maxLength: 60});
    fc.assert(
      fc.property(copies, sequences => {
        const applied = new AppliedProposals();
        const seen = new Set<number>();
        for (const sequence of sequences) {
          assert.equal(applied.admit({client: 'a', sequence, settled: 0}), !seen.has(sequence));
          seen.add(sequence);
        }
      }),
    );
  });

  it('that their client has given up are not admitted any more', () => {
    const applied = new AppliedProposals();
    assert.ok(applied.admit({client: 'a', sequence: 5, settled: 3}));
    assert.ok(!applied.admit({client: 'a', sequence: 3, settled: 0}));
    assert.ok(applied.admit({client: 'a', sequence: 4, settled: 0}));
    assert.ok(applied.admit({client: 'b', sequence: 3, settled: 0}));
  });

  it('are remembered of a bounded number of clients: the one that was silent for longest goes', () => {
    const applied = new AppliedProposals();
    for (let n = 0; n < MAX_CLIENTS; n++) applied.admit({client: `c${n}`, sequence: 1, settled: 0});
    assert.ok(!applied.admit({client: 'c0', sequence: 1, settled: 0}));
    applied.admit({client: 'new', sequence: 1, settled: 0});
    assert.equal(applied.records().length, MAX_CLIENTS);
    assert.ok(!applied.has('c1', 1));
    assert.ok(applied.has('c0', 1));
  });

  it('are applied once across a snapshot, which equal states write alike', () => {
    const machine = new StateMachine();
    const put = (value: string) => ({kind: 'txn', txn: {then: [{kind: 'put', key: 'k', value}]}}) as const;
    const origin = {client: 'a', sequence: 2, settled: 0};
    machine.applyProposal({origin, command: put('1')});
    machine.apply({kind: 'member', member: {id: 'n1', address: 'ws://h:1', wanted: 'voter'}});
    const decoder = new StateDecoder();
    for (const chunk of encodeState(machine)) decoder.push(chunk);
    const restored = decoder.finish();
    assert.deepEqual(restored.applyProposal({origin, command: put('2')}), {kind: 'repeated'});
    assert.deepEqual([...restored.members.values()], [...machine.members.values()]);
    const text = (of: StateMachine): string =>
      Buffer.concat([...encodeState(of)].map(chunk => Buffer.from(chunk))).toString('hex');
    assert.equal(text(restored), text(machine));
  });

  it('come back from their encoding with the name of their proposer', () => {
    const origin = {client: 'n1.ab', sequence: 7, settled: 3};
    const command = {kind: 'compact', revision: 4} as const;
    const data = encodeProposal(new BinaryWriter(), origin, command);
    assert.deepEqual(decodeProposal(data), {origin, command});
  });
});

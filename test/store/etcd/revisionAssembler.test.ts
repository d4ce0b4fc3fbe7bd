/** Revisions put together from the pieces of a watch: whole, in order, once, wherever the pieces and the cuts are. */
import assert from 'node:assert/strict';
import type {IEvent} from 'etcd3';
import fc from 'fast-check';
import {RevisionAssembler, type WatchPiece} from '../../../coordinator/store/etcd/revisionAssembler.ts';

function event(revision: number, key = 'k'): IEvent {
  const kv = {
    key: Buffer.from(key),
    value: Buffer.from(''),
    create_revision: '1',
    mod_revision: String(revision),
    version: '1',
    lease: '0',
  };
  return {type: 'Put', kv, prev_kv: kv};
}

function piece(revisions: readonly number[], fragment = false): WatchPiece {
  return {events: revisions.map(revision => event(revision)), fragment};
}

function taken(assembler: RevisionAssembler, given: WatchPiece): string[] {
  return assembler.take(given).map(({revision, events}) => `${revision}x${events.length}`);
}

describe('the revisions of a watch', () => {
  it('are whole at the end of a response that is no fragment', () => {
    const assembler = new RevisionAssembler(5);
    assert.deepEqual(taken(assembler, piece([5, 5, 7])), ['5x2', '7x1']);
    assert.equal(assembler.next, 8);
  });

  it('are held while they may go on in the next fragment', () => {
    const assembler = new RevisionAssembler(1);
    assert.deepEqual(taken(assembler, piece([1, 2, 2], true)), ['1x1']);
    assert.equal(assembler.next, 2, 'what is in pieces would be asked for again');
    assert.deepEqual(taken(assembler, piece([2, 2], true)), []);
    assert.deepEqual(taken(assembler, piece([2, 3])), ['2x5', '3x1']);
  });

  it('are whole when a later one begins, within a fragment too', () => {
    const assembler = new RevisionAssembler(1);
    assert.deepEqual(taken(assembler, piece([1, 4], true)), ['1x1']);
    assert.deepEqual(taken(assembler, piece([9], true)), ['4x1']);
    assert.deepEqual(taken(assembler, piece([], false)), ['9x1']);
  });

  it('come again whole after a cut in the middle of one', () => {
    const assembler = new RevisionAssembler(1);
    taken(assembler, piece([1, 2, 2], true));
    assembler.cut();
    assert.equal(assembler.next, 2);
    assert.deepEqual(taken(assembler, piece([1, 2, 2, 2])), ['2x3']);
  });

  it('are not given out when they are older than what is wanted', () => {
    const assembler = new RevisionAssembler(10);
    assert.deepEqual(taken(assembler, piece([8, 9, 9])), []);
    assert.equal(assembler.next, 10);
  });

  it('survive any pieces and any cuts', () => {
    const history = fc.array(fc.integer({min: 1, max: 4}), {minLength: 1, maxLength: 30});
    const steps = fc.array(fc.record({size: fc.integer({min: 1, max: 6}), cut: fc.boolean()}), {
      minLength: 40,
      maxLength: 200,
    });
    fc.assert(
      fc.property(history, steps, (sizes, moves) => {
        const all = sizes.flatMap((size, at) =>
          Array.from({length: size}, (_, index) => event(at * 2 + 3, `k${index}`)),
        );
        const expected = sizes.map((size, at) => `${at * 2 + 3}x${size}`);
        const assembler = new RevisionAssembler(1);
        const got: string[] = [];
        const from = (): IEvent[] => all.filter(({kv}) => Number(kv.mod_revision) >= assembler.next - 1);
        let stream = from();
        for (const {size, cut} of moves) {
          const events = stream.splice(0, size);
          const whole = stream.length === 0 || stream[0]?.kv.mod_revision !== events.at(-1)?.kv.mod_revision;
          got.push(...taken(assembler, {events, fragment: !whole}));
          if (!cut) continue;
          assembler.cut();
          stream = from();
        }
        got.push(...taken(assembler, {events: stream, fragment: false}));
        assert.deepEqual(got, expected);
      }),
    );
  });
});

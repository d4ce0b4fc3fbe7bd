/** The state machine against a naive one: results, history, events, compaction, snapshots. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {BinaryWriter} from '../../coordinator/store/binary.ts';
import {COMMAND_LEVEL, type Command, decodeCommand, encodeCommand} from '../../coordinator/store/commands.ts';
import {StateMachine} from '../../coordinator/store/stateMachine.ts';
import {encodeState, StateDecoder} from '../../coordinator/store/stateSnapshot.ts';
import {command, PREFIXES} from './arbitraries.ts';
import {NaiveStore} from './naiveStore.ts';

function applyBoth(machine: StateMachine, naive: NaiveStore, next: Command): void {
  const outcome = machine.apply(next);
  if (next.kind === 'txn') {
    const expected = naive.txn(next.txn);
    if (expected) assert.deepEqual(outcome, {kind: 'txn', result: expected});
    else assert.equal(outcome.kind, 'noLease');
  } else if (next.kind === 'grantLease') naive.grantLease(next.id);
  else if (next.kind === 'endLease') naive.endLease(next.id);
}

/** Every read that the contract allows must agree. */
function assertEqual(machine: StateMachine, naive: NaiveStore): void {
  assert.equal(machine.revision, naive.revision);
  assert.equal(machine.keys.size, naive.range('').length);
  for (let revision = Math.max(machine.compactRevision, 0); revision <= machine.revision; revision++)
    for (const prefix of PREFIXES) {
      const expected = naive.range(prefix, revision);
      assert.deepEqual(machine.range(prefix, {atRevision: revision}).kvs, expected);
      assert.deepEqual(
        machine.range(prefix, {atRevision: revision, order: 'descending'}).kvs,
        [...expected].reverse(),
      );
      for (const kv of expected) assert.deepEqual(machine.get(kv.key, {atRevision: revision}), kv);
      const after = expected[1]?.key;
      if (after !== undefined) {
        assert.deepEqual(machine.range(prefix, {atRevision: revision, after}).kvs, expected.slice(2));
        assert.deepEqual(
          machine.range(prefix, {atRevision: revision, after, order: 'descending'}).kvs,
          expected.slice(0, 1),
        );
      }
    }
  for (let revision = machine.compactRevision + 1; revision <= machine.revision; revision++)
    assert.deepEqual(machine.history.at(revision)?.events, naive.events(revision));
}

function snapshotOf(machine: StateMachine, chunkBytes?: number): Uint8Array[] {
  return [...encodeState(machine, chunkBytes)];
}

function restored(chunks: readonly Uint8Array[]): StateMachine {
  const decoder = new StateDecoder();
  for (const chunk of chunks) decoder.push(chunk);
  return decoder.finish();
}

const commands = fc.array(command, {maxLength: 40});

describe('state machine', () => {
  it('agrees with the naive one, whenever memory is trimmed', () => {
    fc.assert(
      fc.property(commands, fc.integer({min: 0, max: 3}), (run, trim) => {
        const machine = new StateMachine();
        const naive = new NaiveStore();
        for (const next of run) {
          applyBoth(machine, naive, next);
          machine.trim(trim);
        }
        assertEqual(machine, naive);
      }),
      {numRuns: 300},
    );
  });

  it('goes on alike from a snapshot taken at any point', () => {
    fc.assert(
      fc.property(commands, commands, fc.integer({min: 1, max: 200}), (before, after, chunkBytes) => {
        const original = new StateMachine();
        const naive = new NaiveStore();
        original.apply({kind: 'create', incarnation: 'i'});
        for (const next of before) applyBoth(original, naive, next);
        const copy = restored(snapshotOf(original, chunkBytes));
        assertEqual(copy, naive);
        assert.equal(copy.incarnation, 'i');
        for (const next of after) {
          assert.deepEqual(copy.apply(next), original.apply(next));
          copy.trim(1);
        }
        assert.deepEqual(Buffer.concat(snapshotOf(copy)), Buffer.concat(snapshotOf(original)));
      }),
      {numRuns: 300},
    );
  });

  it('writes the view of the moment a snapshot began, while commands are applied', () => {
    fc.assert(
      fc.property(commands, fc.array(command, {minLength: 5, maxLength: 40}), (before, during) => {
        const machine = new StateMachine();
        for (const next of before) machine.apply(next);
        const expected = Buffer.concat(snapshotOf(machine));
        const chunks = encodeState(machine, 1);
        const seen: Uint8Array[] = [];
        for (let chunk = chunks.next(); !chunk.done; chunk = chunks.next()) {
          seen.push(Buffer.from(chunk.value));
          const next = during.shift();
          if (next) machine.apply(next);
          machine.trim(100);
        }
        assert.deepEqual(Buffer.concat(seen), expected);
      }),
      {numRuns: 300},
    );
  });

  it('forgets deleted keys and old versions once they are compacted', () => {
    const machine = new StateMachine();
    for (let n = 0; n < 100; n++) {
      machine.apply({kind: 'txn', txn: {then: [{kind: 'put', key: `k/${n}`, value: 'x'.repeat(100)}]}});
      machine.apply({kind: 'txn', txn: {then: [{kind: 'delete', key: `k/${n}`}]}});
    }
    assert.ok(machine.history.bytes > 10_000);
    machine.apply({kind: 'compact', revision: machine.revision});
    assert.equal(machine.trim(50), true);
    assert.equal(machine.trim(1000), false);
    assert.equal(machine.history.bytes, 0);
    assert.ok(Buffer.concat(snapshotOf(machine)).length < 100);
  });
});

describe('commands', () => {
  it('come back from their encoding as they went', () => {
    const writer = new BinaryWriter(64);
    fc.assert(
      fc.property(command, next => {
        assert.deepEqual(decodeCommand(encodeCommand(writer, next)), next);
      }),
    );
  });

  it('of a newer level or of an unknown kind are refused', () => {
    const data = Buffer.from(encodeCommand(new BinaryWriter(), {kind: 'compact', revision: 1}));
    const newer = Buffer.from(data);
    newer[0] = COMMAND_LEVEL + 1;
    const unknown = Buffer.from(data);
    unknown[1] = 99;
    for (const bad of [newer, unknown])
      assert.throws(
        () => decodeCommand(bad),
        error => isCoordinatorError(error, 'incompatible'),
      );
  });
});

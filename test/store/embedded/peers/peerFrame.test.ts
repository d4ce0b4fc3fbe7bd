/** Whatever Raft says comes out of a frame as it went in; a frame that was changed on the way is noticed. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type {Message} from '../../../../coordinator/raft/messages.ts';
import {isCoordinatorError} from '../../../../coordinator/runtime/errors.ts';
import {
  decodeFrame,
  encodeFrame,
  type PeerFrame,
} from '../../../../coordinator/store/embedded/peers/peerFrame.ts';

/** As plain objects, which is what a decoder makes. */
function record<T>(model: {[K in keyof T]: fc.Arbitrary<T[K]>}): fc.Arbitrary<T> {
  return fc.record<T>(model, {noNullPrototype: true});
}

const ENDS = {from: 'a', to: 'b'};
const int = fc.nat();
const bool = fc.boolean();
const bytes = fc.uint8Array({maxLength: 200}).map(data => Buffer.from(data));
const names = fc.array(fc.string({minLength: 1, maxLength: 8}), {maxLength: 4});
const mark = record({
  index: int,
  term: int,
  configuration: record({voters: names, outgoing: names, learners: names, learnersNext: names}),
});

/** Indexes follow from the place before them, as Raft has it. */
const append = record({
  term: int,
  previousIndex: int,
  previousTerm: int,
  commit: int,
  bodies: fc.array(
    record({
      kind: fc.constantFrom('command', 'empty', 'configuration'),
      term: int,
      data: bytes,
    }),
    {maxLength: 5},
  ),
}).map(
  ({bodies, ...rest}): Message => ({
    kind: 'append',
    ...ENDS,
    ...rest,
    entries: bodies.map((body, at) => ({...body, index: rest.previousIndex + 1 + at})),
  }),
);

const place = {lastIndex: int, lastTerm: int};
const committed = record({index: int, term: int});
const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  record({term: int, ...place}).map((rest): Message => ({kind: 'preVote', ...ENDS, ...rest})),
  record({term: int, ...place, transfer: bool}).map((rest): Message => ({kind: 'vote', ...ENDS, ...rest})),
  record({kind: fc.constantFrom('voteReply', 'preVoteReply'), term: int, granted: bool, committed}).map(
    (rest): Message => ({...ENDS, ...rest}),
  ),
  record({term: int, accepted: bool, previousIndex: int, index: int, hintTerm: int}).map(
    (rest): Message => ({kind: 'appendReply', ...ENDS, ...rest}),
  ),
  record({term: int, commit: int, round: int}).map(
    (rest): Message => ({kind: 'heartbeat', ...ENDS, ...rest}),
  ),
  record({term: int, round: int}).map((rest): Message => ({kind: 'heartbeatReply', ...ENDS, ...rest})),
  record({term: int, mark}).map((rest): Message => ({kind: 'installSnapshot', ...ENDS, ...rest})),
  record({term: int}).map((rest): Message => ({kind: 'timeoutNow', ...ENDS, ...rest})),
  record({data: fc.array(bytes, {maxLength: 4})}).map(
    (rest): Message => ({kind: 'propose', ...ENDS, ...rest}),
  ),
  record({context: fc.string()}).map((rest): Message => ({kind: 'readIndex', ...ENDS, ...rest})),
  record({context: fc.string(), index: int}).map(
    (rest): Message => ({kind: 'readIndexReply', ...ENDS, ...rest}),
  ),
);

const frame: fc.Arbitrary<PeerFrame> = fc.oneof(
  fc.array(message, {maxLength: 6}).map((messages): PeerFrame => ({kind: 'messages', messages})),
  record({kind: fc.constantFrom('call', 'answer'), id: int, body: fc.string()}).map(
    (rest): PeerFrame => rest,
  ),
  record({mark, bytes: int, crc: int}).map((offer): PeerFrame => ({kind: 'offer', offer})),
  record({offset: int, crc: int, data: bytes}).map((rest): PeerFrame => ({kind: 'chunk', ...rest})),
  record({offset: int}).map((rest): PeerFrame => ({kind: 'have', ...rest})),
  record({reason: fc.string()}).map((rest): PeerFrame => ({kind: 'refused', ...rest})),
);

describe('frames between members', () => {
  it('carry every message, question and chunk unchanged', () => {
    fc.assert(
      fc.property(frame, sent => {
        assert.deepEqual(decodeFrame(encodeFrame(sent), ENDS.from, ENDS.to), sent);
      }),
    );
  });

  it('are refused when any byte of them was changed, or some are missing', () => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.integer({min: 1, max: 255}), (sent, where, change) => {
        const encoded = encodeFrame(sent);
        const damaged = Buffer.from(encoded);
        const at = where % damaged.length;
        damaged[at] = (damaged[at] ?? 0) ^ change;
        for (const bad of [damaged, encoded.subarray(0, at)])
          assert.throws(
            () => decodeFrame(bad, ENDS.from, ENDS.to),
            error => isCoordinatorError(error, 'corrupt'),
          );
      }),
    );
  });
});

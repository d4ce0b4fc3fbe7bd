/** Output as events: gathered, bounded a second and in all, every left-out byte counted, no character halved. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {type OutputEvent, OutputLimiter} from '../../../coordinator/agent/drivers/outputLimiter.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';

const LIMITS = {
  flushMs: 100,
  charactersPerEvent: 8,
  charactersPerSecond: 20,
  charactersInAll: 50,
  tailCharacters: 10,
};

describe('output limiter', () => {
  function limiter() {
    const clock = new ManualClock();
    const events: OutputEvent[] = [];
    return {clock, events, limiter: new OutputLimiter(clock, event => events.push(event), LIMITS)};
  }
  const textOf = (events: readonly OutputEvent[]): string =>
    events.map(event => (event.kind === 'output' ? event.text : '')).join('');
  const missing = (events: readonly OutputEvent[]): number =>
    events.reduce((sum, event) => sum + (event.kind === 'notice' ? Number.parseInt(event.text, 10) : 0), 0);

  it('gathers what comes together', () => {
    const {clock, events, limiter: own} = limiter();
    own.add('stdout', 'a');
    own.add('stdout', 'b');
    own.add('stderr', 'c');
    assert.equal(events.length, 0);
    clock.advance(100);
    assert.deepEqual(
      events.map(event => event.kind === 'output' && [event.stream, event.text]),
      [
        ['stdout', 'ab'],
        ['stderr', 'c'],
      ],
    );
  });

  it('says once a second how much it left out, and goes on in the next second', () => {
    const {clock, events, limiter: own} = limiter();
    own.add('stdout', 'x'.repeat(30));
    clock.advance(500);
    own.add('stdout', 'y');
    clock.advance(500);
    own.add('stdout', 'z');
    own.finish();
    assert.equal(textOf(events), `${'x'.repeat(20)}z`);
    assert.deepEqual(events.map(event => event.kind).slice(-3), ['gap', 'notice', 'output']);
    assert.equal(missing(events), 11);
  });

  it('keeps the end for messages whatever was left out', () => {
    const {limiter: own} = limiter();
    own.add('stdout', 'x'.repeat(100));
    own.add('stderr', 'the end');
    assert.equal(own.finish(), 'xxxthe end');
  });

  it('accounts for every byte and halves no character', () => {
    const piece = fc.record({text: fc.string({unit: 'grapheme', maxLength: 30}), waitMs: fc.nat({max: 700})});
    void fc.assert(
      fc.property(fc.array(piece, {maxLength: 20}), pieces => {
        const {clock, events, limiter: own} = limiter();
        for (const {text, waitMs} of pieces) {
          own.add('stdout', text);
          clock.advance(waitMs);
        }
        own.finish();
        const all = Buffer.byteLength(pieces.map(({text}) => text).join(''));
        assert.equal(Buffer.byteLength(textOf(events)) + missing(events), all);
        assert(textOf(events).isWellFormed?.() ?? true);
        assert(textOf(events).length <= LIMITS.charactersInAll);
        for (const event of events)
          assert(event.kind !== 'output' || event.text.length <= LIMITS.charactersPerEvent);
      }),
    );
  });
});

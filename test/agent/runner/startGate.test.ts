/** The queue at the start of Claude Code. */
import assert from 'node:assert/strict';
import {StartGate} from '../../../coordinator/agent/runner/startGate.ts';

const never = new AbortController().signal;

describe('start gate', () => {
  it('lets so many in at once, the others in their order as places are given back', async () => {
    const gate = new StartGate(2);
    const order: string[] = [];
    const first = await gate.enter(never);
    const second = await gate.enter(never);
    const third = gate.enter(never).then(place => {
      order.push('third');
      return place;
    });
    const fourth = gate.enter(never).then(place => {
      order.push('fourth');
      return place;
    });
    await Promise.resolve();
    assert.deepEqual(order, []);
    second.dispose();
    second.dispose();
    const place = await third;
    assert.deepEqual(order, ['third']);
    first.dispose();
    await fourth;
    place.dispose();
    assert.deepEqual(order, ['third', 'fourth']);
  });

  it('passes over who has given up waiting', async () => {
    const gate = new StartGate(1);
    const place = await gate.enter(never);
    const abort = new AbortController();
    const gone = gate.enter(abort.signal);
    const next = gate.enter(never);
    abort.abort(new Error('cancelled'));
    await assert.rejects(gone, /cancelled/);
    place.dispose();
    await next;
  });
});

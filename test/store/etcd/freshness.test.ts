/** How far behind a watch is, told by our own writes that came back. */
import assert from 'node:assert/strict';
import {Freshness} from '../../../coordinator/store/etcd/freshness.ts';

describe('the freshness of a watch', () => {
  it('is the age of the youngest write that came back, counted from when it was sent', () => {
    const freshness = new Freshness(0);
    freshness.wrote(10, 100);
    freshness.wrote(11, 150);
    assert.equal(freshness.ageMs(200), 200, 'nothing came back yet');
    freshness.reached(10);
    assert.equal(freshness.ageMs(200), 100);
    freshness.reached(30);
    assert.equal(freshness.ageMs(200), 50);
    assert.equal(freshness.missingSince, undefined);
  });

  it('counts a write whose event was there before its answer', () => {
    const freshness = new Freshness(0);
    freshness.reached(12);
    freshness.wrote(12, 40);
    assert.equal(freshness.ageMs(50), 10);
  });

  it('says since when a write is missing', () => {
    const freshness = new Freshness(0);
    freshness.wrote(5, 70);
    freshness.wrote(4, 60);
    assert.equal(freshness.missingSince, 60);
    freshness.reached(4);
    assert.equal(freshness.missingSince, 70);
  });

  it('remembers the first and the last of a burst', () => {
    const freshness = new Freshness(0);
    for (let n = 0; n < 1000; n++) freshness.wrote(n + 1, n);
    assert.equal(freshness.missingSince, 0);
    freshness.reached(1000);
    assert.equal(freshness.ageMs(1000), 1);
    assert.equal(freshness.quietMs(1000), 1);
  });
});

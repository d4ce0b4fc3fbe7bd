import assert from 'node:assert/strict';
import test from 'node:test';
import {cents} from '../src/price.js';

test('a price is whole cents', () => {
  assert.equal(cents(1.5), 150);
});

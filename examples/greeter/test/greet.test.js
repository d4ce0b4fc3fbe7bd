import assert from 'node:assert/strict';
import {test} from 'node:test';
import {greet} from '../src/index.js';

test('says hello in English', () => {
  assert.equal(greet('Ada'), 'Hello, Ada!');
});

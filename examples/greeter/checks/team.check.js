// Passes only when the work of every task is in one place.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import * as greeter from '../src/index.js';

const read = file => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');

test('languages: Dutch, French and German have words', () => {
  for (const language of ['en', 'nl', 'fr', 'de']) {
    assert.equal(typeof greeter.greetings[language], 'string', language);
    assert.equal(typeof greeter.farewells[language], 'string', language);
  }
});

test('greet: speaks them, and English where it does not know the language', () => {
  assert.equal(greeter.greet('Ada'), 'Hello, Ada!');
  assert.equal(greeter.greet('Ada', 'nl'), `${greeter.greetings.nl}, Ada!`);
  assert.equal(greeter.greet('Ada', 'tlh'), 'Hello, Ada!');
});

test('farewell: speaks them too', () => {
  assert.equal(greeter.farewell('Ada', 'fr'), `${greeter.farewells.fr}, Ada!`);
});

test('api: lists what came from both sides', () => {
  for (const name of ['greet', 'farewell', 'greetings', 'farewells'])
    assert.match(read('API.md'), new RegExp(`\`${name}\``));
});

test('readme: shows how to say goodbye', () => assert.match(read('README.md'), /farewell\(/));

test('changelog: has an entry', () => assert.match(read('CHANGELOG.md'), /^## /m));

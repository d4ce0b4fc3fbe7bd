/** Faults of our own process, broken invariants and promises that are settled by hand. */
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {InvariantError, assert as invariant} from '../../coordinator/runtime/assert.ts';
import {deferred} from '../../coordinator/runtime/deferred.ts';
import {
  CoordinatorError,
  describeError,
  isCoordinatorError,
  systemErrorCode,
} from '../../coordinator/runtime/errors.ts';

describe('coordinator errors', () => {
  it('carry code, cause and hint', () => {
    const cause = new Error('ENOSPC');
    const error = new CoordinatorError('diskFull', 'the log cannot grow', {cause, hint: 'free some space'});
    assert.equal(error.code, 'diskFull');
    assert.equal(error.cause, cause);
    assert.equal(error.hint, 'free some space');
    assert.ok(isCoordinatorError(error));
    assert.ok(isCoordinatorError(error, 'diskFull'));
    assert.ok(!isCoordinatorError(error, 'config'));
    assert.ok(!isCoordinatorError(cause));
  });

  it('have no cause when none is given', () => {
    assert.ok(!('cause' in new CoordinatorError('internal', 'x')));
  });
});

describe('descriptions of errors', () => {
  it('name every cause', () => {
    const error = new Error('outer', {cause: new Error('middle', {cause: 'inner'})});
    assert.equal(describeError(error), 'outer: middle: inner');
  });

  it('take whatever was thrown', () => {
    for (const [thrown, text] of [
      ['x', 'x'],
      [undefined, 'undefined'],
      [null, 'null'],
      [7, '7'],
    ] as const)
      assert.equal(describeError(thrown), text);
  });
});

describe('codes of system errors', () => {
  it('are found on errors of Node', async () => {
    await assert.rejects(readFile('/nowhere/at/all'), error => systemErrorCode(error) === 'ENOENT');
  });

  it('are text on an error, or nothing', () => {
    assert.equal(systemErrorCode({code: 'ENOENT'}), undefined);
    assert.equal(systemErrorCode(Object.assign(new Error('x'), {code: 7})), undefined);
    assert.equal(systemErrorCode(new Error('x')), undefined);
  });
});

describe('invariants', () => {
  it('throw when they do not hold', () => {
    invariant(true, 'holds');
    assert.throws(() => invariant(false, 'does not hold'), InvariantError);
  });
});

describe('a deferred promise', () => {
  it('is settled once, from outside', async () => {
    const resolved = deferred<number>();
    resolved.resolve(1);
    resolved.resolve(2);
    assert.equal(await resolved.promise, 1);
    const rejected = deferred<number>();
    rejected.reject(new Error('no'));
    await assert.rejects(rejected.promise, /no/);
  });
});

/** Addresses of shared memory's documents, and what the editor is told so that it notices foreign changes. */
import assert from 'node:assert/strict';
import {stateKeyOf, statePath} from '../../extension/documents/stateUri.ts';
import {StateVersions} from '../../extension/documents/stateVersions.ts';

describe('addresses of shared memory', () => {
  const keys = [
    'shape',
    'api/shape',
    'a.json',
    'a//b',
    'a/',
    '../up',
    './x',
    'a/../b',
    '100%',
    '%2E',
    '%20',
    'ä/ö',
    'c:\\x',
  ];
  for (const key of keys) {
    it(`lead back to the key ${JSON.stringify(key)}`, () => {
      const path = statePath({sessionId: 's-1', key});
      assert.ok(path.startsWith('/s-1/') && path.endsWith('.json'), path);
      assert.deepEqual(stateKeyOf(path), {sessionId: 's-1', key});
      // The editor puts paths in order, which must not lead elsewhere.
      assert.equal(
        new URL(`x://h${path.replaceAll('%', '%25')}`).pathname.split('/').length,
        path.split('/').length,
      );
    });
  }

  it('are different for different keys', () => {
    assert.equal(new Set(keys.map(key => statePath({sessionId: 's', key}))).size, keys.length);
  });

  for (const path of ['', '/', '/s-1', '/s-1/', '/s-1/shape', '/s-1/.json', '/s-1/a b.json'])
    it(`are not ${JSON.stringify(path)}`, () => assert.equal(stateKeyOf(path), undefined));
});

describe('versions as the editor sees them', () => {
  it('have a time that rises with every version, whatever the clock says', () => {
    const versions = new StateVersions();
    const times = [
      [1, 1000],
      [2, 1000],
      [3, 400],
      [7, 2000],
    ].map(([version = 0, timestamp = 0]) => versions.see('/a', version, timestamp).mtime);
    assert.deepEqual(times, [1000, 1001, 1002, 2000]);
  });

  it('keep their time while the version is the same', () => {
    const versions = new StateVersions();
    const first = versions.see('/a', 1, 1000);
    assert.deepEqual(versions.see('/a', 1, 5000), first);
    assert.deepEqual(versions.last('/a'), first);
    assert.equal(versions.last('/b'), undefined);
  });

  it('of another store are new, even with the same number', () => {
    const versions = new StateVersions();
    const {mtime} = versions.see('/a', 3, 1000);
    versions.distrust();
    assert.notEqual(versions.last('/a')?.version, 3);
    assert.ok(versions.see('/a', 3, 1000).mtime > mtime);
  });
});

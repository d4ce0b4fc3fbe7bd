/** The plan's schema asked by place. */
import assert from 'node:assert/strict';
import {descriptionAt, keysAt, type SchemaKey, valuesAt} from '../../../extension/plan/planSchema.ts';

/** Paths of every mapping whose keys are known, `0` for the entries of lists. */
function mappings(path: readonly PropertyKey[] = [], depth = 0): (readonly PropertyKey[])[] {
  if (depth > 6) return [];
  const keys = keysAt(path);
  const inner = keys.flatMap(({name}) => [
    ...mappings([...path, name], depth + 1),
    ...mappings([...path, name, 0], depth + 1),
  ]);
  return keys.length === 0 ? inner : [path, ...inner];
}

describe('the schema of plans, by place', () => {
  it('describes every key that it offers', () => {
    const places = mappings();
    assert.ok(places.length > 20, `${places.length} mappings`);
    const silent = places.flatMap(path =>
      keysAt(path)
        .filter(({name}: SchemaKey) => descriptionAt([...path, name]) === undefined)
        .map(({name}) => [...path, name].join('.')),
    );
    assert.deepEqual(silent, []);
  });

  it('knows nothing of places that are none', () => {
    assert.deepEqual(keysAt(['tasks']), []);
    assert.deepEqual(keysAt(['tasks', 0, 'env']), []);
    assert.deepEqual(keysAt(['nothing']), []);
    assert.deepEqual(valuesAt(['name']), []);
  });

  it('tells each choice of a list of choices by its own words', () => {
    const [none] = valuesAt(['workspace']);
    assert.deepEqual(none, {
      value: 'none',
      description: 'No repository: every task gets an empty folder and leaves no commit.',
    });
    const merge = valuesAt(['merge', 'onConflict']);
    assert.match(merge[1]?.description ?? '', /^Claude Code is asked to resolve it/);
  });
});

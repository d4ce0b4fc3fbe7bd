/** The recent revisions that watches are served from. */
import assert from 'node:assert/strict';
import {RecentRevisions} from '../../../coordinator/store/etcd/recentRevisions.ts';
import type {RevisionEvents} from '../../../coordinator/store/revisionLog.ts';

function changes(revision: number, length = 0): RevisionEvents {
  const kv = {key: 'k', value: 'x'.repeat(length), createRevision: 1, modRevision: revision, version: 1};
  return {kind: 'events', revision, events: [{kind: 'put', key: 'k', kv}]};
}

describe('recent revisions', () => {
  const revisionsOf = (found: readonly RevisionEvents[]): number[] => found.map(({revision}) => revision);

  it('are found from any revision on, also from one that changed nothing', () => {
    const recent = new RecentRevisions(1, {revisions: 100, bytes: 1_000_000});
    for (const revision of [3, 5, 9]) recent.append(changes(revision));
    for (const [from, expected] of [
      [1, [3, 5, 9]],
      [3, [3, 5, 9]],
      [4, [5, 9]],
      [6, [9]],
      [10, []],
    ] as const)
      assert.deepEqual(revisionsOf(recent.after(from, 10)), expected, `from ${from}`);
    assert.deepEqual(revisionsOf(recent.after(1, 2)), [3, 5]);
  });

  it('cover what follows the oldest that was dropped', () => {
    const recent = new RecentRevisions(11, {revisions: 2, bytes: 1_000_000});
    assert.deepEqual(
      [10, 11].map(revision => recent.covers(revision)),
      [false, true],
    );
    for (const revision of [12, 20, 30]) recent.append(changes(revision));
    assert.deepEqual(
      [12, 13, 20].map(revision => recent.covers(revision)),
      [false, true, true],
    );
  });

  it('are bounded in bytes, over many of them', () => {
    const recent = new RecentRevisions(1, {revisions: 1_000_000, bytes: 100_000});
    for (let revision = 1; revision <= 5000; revision++) recent.append(changes(revision, 1000));
    const kept = revisionsOf(recent.after(1, 5000));
    assert.ok(kept.length > 50 && kept.length < 100, `${kept.length}`);
    assert.equal(kept.at(-1), 5000);
    assert.ok(recent.covers(kept[0] ?? 0) && !recent.covers((kept[0] ?? 0) - 1));
  });
});

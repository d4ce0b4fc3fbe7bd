/** The page's side of its host: what is lost is asked for again, and no question stays open. */
import assert from 'node:assert/strict';
import * as z from 'zod';
import type {FeedEvent} from '../../coordinator/client/feed/topics.ts';
import {PageFeed} from '../../webview/feed/pageFeed.ts';
import {RowStore} from '../../webview/feed/rowStore.ts';
import {RecordingHost} from './recordingHost.ts';

const rows = (revision: number): FeedEvent => ({kind: 'rows', rows: [], revision});
const changes = (revision: number): FeedEvent => ({kind: 'changes', revision, upserts: [], deletes: []});

describe('what a page follows', () => {
  let host: RecordingHost;
  let feed: PageFeed;
  let heard: FeedEvent[];
  beforeEach(() => {
    host = new RecordingHost();
    feed = new PageFeed(host);
    heard = [];
    feed.follow({kind: 'fleet'}, event => heard.push(event));
  });

  const revisions = (): number[] =>
    heard.flatMap(event => (event.kind === 'rows' || event.kind === 'changes' ? [event.revision] : []));

  it('arrives in order', () => {
    host.feed('t1', 1, 1, rows(1));
    host.feed('t1', 1, 2, changes(2));
    assert.deepEqual(revisions(), [1, 2]);
    assert.deepEqual(host.opened, ['t1']);
  });

  it('is asked for again after a gap, and what is late is passed over until it begins anew', () => {
    host.feed('t1', 1, 1, rows(1));
    host.feed('t1', 1, 3, changes(3));
    host.feed('t1', 1, 4, changes(4));
    assert.deepEqual(host.opened, ['t1', 't1']);
    host.feed('t1', 2, 1, rows(5));
    host.feed('t1', 2, 2, changes(6));
    assert.deepEqual(revisions(), [1, 5, 6]);
    assert.deepEqual(host.opened, ['t1', 't1']);
  });

  it('is asked for again when its beginning was lost', () => {
    host.feed('t1', 1, 2, changes(2));
    assert.deepEqual(host.opened, ['t1', 't1']);
    host.feed('t1', 2, 1, rows(3));
    assert.deepEqual(revisions(), [3]);
  });

  it('is opened again when the host begins anew', () => {
    host.tell({kind: 'hello', state: {page: 'home'}, host: 'browser', l10n: {}});
    assert.deepEqual(host.opened, ['t1', 't1']);
  });

  it('is kept as rows', () => {
    const dirty: unknown[] = [];
    const store = new RowStore(feed, {kind: 'fleet'}, keys => dirty.push(keys));
    host.feed('t2', 1, 1, rows(1));
    host.feed('t2', 1, 2, {kind: 'changes', revision: 2, upserts: [], deletes: [{kind: 'agent', id: 'a'}]});
    assert.equal(store.revision, 2);
    assert.deepEqual(dirty, ['all', new Set(['agent/a'])]);
    store.dispose();
    assert.deepEqual(host.sent.at(-1), {kind: 'close', topicId: 't2'});
  });
});

describe('what a page asks', () => {
  it('is answered once, by its number', async () => {
    const host = new RecordingHost();
    const feed = new PageFeed(host);
    const first = feed.act({kind: 'accept-draft', uri: 'a'});
    const second = feed.act({kind: 'accept-draft', uri: 'b'});
    host.tell({kind: 'answered', id: 2, outcome: {kind: 'cancelled'}});
    host.tell({kind: 'answered', id: 1, outcome: {kind: 'done'}});
    assert.deepEqual([await first, await second], [{kind: 'done'}, {kind: 'cancelled'}]);
  });

  it('is settled when the host begins anew', async () => {
    const host = new RecordingHost();
    const feed = new PageFeed(host);
    const asked = feed.act({kind: 'accept-draft', uri: 'a'});
    host.tell({kind: 'hello', state: {page: 'home'}, host: 'editor', l10n: {}});
    assert.equal((await asked).kind, 'failed');
  });

  it('is checked when it is an answer of another process', async () => {
    const host = new RecordingHost();
    const feed = new PageFeed(host);
    const query = {kind: 'transcript', params: {attemptId: 's.a.1', fromSeq: 1, limit: 1}} as const;
    const good = feed.query(z.object({lastSeq: z.number()}), query);
    const bad = feed.query(z.object({lastSeq: z.number()}), query);
    host.tell({kind: 'answered', id: 1, outcome: {kind: 'done', value: {lastSeq: 3}}});
    host.tell({kind: 'answered', id: 2, outcome: {kind: 'done', value: {lastSeq: 'x'}}});
    assert.deepEqual(await good, {lastSeq: 3});
    await assert.rejects(bad);
  });
});

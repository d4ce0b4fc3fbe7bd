/** Lists: pages of long ones, the sum of several surfaces, and kept events. */
import assert from 'node:assert/strict';
import type {Tool} from '@modelcontextprotocol/server';
import {ComposedSurface} from '../../coordinator/mcp/composedSurface.ts';
import {KeptEvents} from '../../coordinator/mcp/keptEvents.ts';
import {pageOf} from '../../coordinator/mcp/pages.ts';
import type {SurfaceCaller} from '../../coordinator/mcp/surface.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {type McpFixture, mcpFixture, textOf} from './support.ts';
import {TestSurface} from './testSurface.ts';

const CALLER: SurfaceCaller = {
  principal: {id: 'client:one', tenant: 'default', role: 'client'},
  era: 'modern',
  clientKey: 'key',
  capabilities: {},
};

function tool(name: string, description = ''): Tool {
  return {name, description, inputSchema: {type: 'object'}};
}

describe('pages of a list', () => {
  const same = (name: string): string => name;

  it('have every entry once', () => {
    const list = Array.from({length: 10}, (_, at) => `entry ${at}`);
    const seen: string[] = [];
    for (let cursor: string | undefined, more = true; more; ) {
      const page = pageOf(list, same, cursor, 3);
      assert.ok(page.entries.length <= 3);
      seen.push(...page.entries);
      cursor = page.nextCursor;
      more = cursor !== undefined;
    }
    assert.deepEqual(seen, list);
    assert.deepEqual(pageOf(list, same, undefined, 10), {entries: list});
    assert.deepEqual(pageOf([], same, undefined, 10), {entries: []});
  });

  it('go on behind the same entry when the list has changed', () => {
    const {nextCursor} = pageOf(['a', 'b', 'c', 'd'], same, undefined, 2);
    assert.deepEqual(pageOf(['new', 'a', 'b', 'c', 'd'], same, nextCursor, 2).entries, ['c', 'd']);
    assert.deepEqual(pageOf(['b', 'c', 'd'], same, nextCursor, 2).entries, ['c', 'd']);
    assert.deepEqual(
      pageOf(['a', 'c', 'd'], same, nextCursor, 2).entries,
      ['d'],
      'by place, when it is gone',
    );
    assert.deepEqual(pageOf([], same, nextCursor, 2).entries, []);
  });
});

describe('several surfaces', () => {
  it('are shown as one, the earlier before the later', async () => {
    const first = new TestSurface();
    const second = new TestSurface();
    first.extraTools = [tool('mine')];
    second.extraTools = [tool('yours'), tool('mine', 'hidden')];
    const composed = new ComposedSurface([first, second], silentLogger);
    const tools = await composed.tools(CALLER);
    assert.deepEqual(
      tools.slice(-2).map(({name}) => name),
      ['mine', 'yours'],
    );
    assert.equal(tools.filter(({name}) => name === 'mine').length, 1);
    assert.equal(new Set(tools.map(({name}) => name)).size, tools.length);
  });

  it('give the very list again while nothing changed', async () => {
    const first = new TestSurface();
    const second = new TestSurface();
    const composed = new ComposedSurface([first, second], silentLogger);
    assert.equal(await composed.tools(CALLER), await composed.tools(CALLER));
    const alone = new ComposedSurface([first], silentLogger);
    assert.equal(await alone.tools(CALLER), await first.tools(CALLER));
  });

  it('show what the others have when one fails, and fail when all do', async () => {
    const well = new TestSurface();
    const ill = new TestSurface();
    ill.tools = () => Promise.reject(new Error('unreachable'));
    const tools = await new ComposedSurface([ill, well], silentLogger).tools(CALLER);
    assert.equal(tools.length, (await well.tools(CALLER)).length);
    await assert.rejects(new ComposedSurface([ill, ill], silentLogger).tools(CALLER), /unreachable/);
  });

  it('are all told who has gone, and all heard', () => {
    const first = new TestSurface();
    const second = new TestSurface();
    first.release = () => {
      throw new Error('of the inside');
    };
    const composed = new ComposedSurface([first, second], silentLogger);
    composed.release('key');
    assert.deepEqual(second.released, ['key']);
    const heard: string[] = [];
    const listening = composed.onChange(CALLER, ({kind}) => heard.push(kind));
    first.change({kind: 'tools'});
    second.change({kind: 'prompts'});
    listening.dispose();
    second.change({kind: 'resources'});
    assert.deepEqual(heard, ['tools', 'prompts']);
  });
});

describe('events kept for a client that resumes', () => {
  const message = (text: string) => ({
    jsonrpc: '2.0' as const,
    method: 'notifications/message',
    params: {text},
  });
  const replay = async (events: KeptEvents, id: string): Promise<unknown[]> => {
    const sent: unknown[] = [];
    await events.replayEventsAfter(id, {
      send(_id, sentMessage) {
        if ('params' in sentMessage) sent.push(sentMessage.params?.['text']);
        return Promise.resolve();
      },
    });
    return sent;
  };

  const WIDE = {maxKeptEvents: 100, maxKeptEventBytes: 10_000, maxKeptEventBytesInAll: 10_000};

  it('are those of its stream, behind the one that it saw', async () => {
    const events = new KeptEvents(WIDE, {bytes: 0});
    const id = await events.storeEvent('one', message('a'));
    await events.storeEvent('two', message('b'));
    await events.storeEvent('one', message('c'));
    assert.equal(await events.getStreamIdForEventId(id), 'one');
    assert.deepEqual(await replay(events, id), ['c']);
  });

  it('are bounded in number and size, and a gap is known', async () => {
    for (const limits of [
      {...WIDE, maxKeptEvents: 2},
      {...WIDE, maxKeptEventBytes: 200},
      {...WIDE, maxKeptEventBytesInAll: 200},
    ]) {
      const all = {bytes: 0};
      const events = new KeptEvents(limits, all);
      const first = await events.storeEvent('one', message('a'));
      const second = await events.storeEvent('one', message('b'));
      await events.storeEvent('one', message('c'));
      await events.storeEvent('one', message('d'));
      assert.equal(await events.getStreamIdForEventId(first), undefined);
      assert.equal(await events.getStreamIdForEventId(second), 'one');
      assert.deepEqual(await replay(events, second), ['c', 'd']);
      assert.equal(await events.getStreamIdForEventId('99.one'), undefined);
      assert.ok(all.bytes > 0);
      events.clear();
      assert.equal(all.bytes, 0);
    }
  });
});

describe('long lists of the hub', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  it('come in pages to clients of both eras', async () => {
    fixture = await mcpFixture({settings: {pageSize: 10}});
    fixture.surface.extraTools = Array.from({length: 25}, (_, at) => tool(`extra${at}`));
    for (const client of [await fixture.legacy(), await fixture.modern()]) {
      const names: string[] = [];
      for (let cursor: string | undefined, more = true; more; ) {
        const params = cursor === undefined ? {} : {cursor};
        const page = await client.request({method: 'tools/list', params});
        names.push(...page.tools.map(({name}) => name));
        cursor = page.nextCursor;
        more = cursor !== undefined;
      }
      assert.equal(names.length, (await fixture.surface.tools(CALLER)).length);
      assert.equal(new Set(names).size, names.length);
      assert.equal(textOf(await client.callTool({name: 'echo', arguments: {text: 'x'}})), 'x');
    }
  });
});

/** The hub as an MCP server, as clients of both eras see it, side by side. */
import assert from 'node:assert/strict';
import {type McpFixture, mcpFixture, textOf} from './support.ts';

describe('the hub as an MCP server', () => {
  let fixture: McpFixture;
  afterEach(() => fixture.close());

  it('serves both eras, and both generations of clients', async () => {
    fixture = await mcpFixture();
    const clients = [
      await fixture.modern(),
      await fixture.legacy(),
      await fixture.v1(),
      (await fixture.socket('modern')).client,
      (await fixture.socket('legacy')).client,
    ];
    for (const client of clients) {
      const {tools} = await client.listTools();
      assert.ok(tools.some(({name}) => name === 'echo'));
      assert.equal(textOf(await client.callTool({name: 'echo', arguments: {text: 'hello'}})), 'hello');
      assert.deepEqual(
        (await client.listResources()).resources.map(({uri}) => uri),
        ['test://one'],
      );
      assert.equal((await client.listResourceTemplates()).resourceTemplates.length, 1);
      const read = await client.readResource({uri: 'test://one'});
      assert.equal((read.contents[0] as {text?: string}).text, 'the one');
      assert.equal((await client.listPrompts()).prompts[0]?.name, 'greet');
      const prompt = await client.getPrompt({name: 'greet', arguments: {who: 'you'}});
      assert.deepEqual(prompt.messages[0]?.content, {type: 'text', text: 'greet you'});
      const ref = {type: 'ref/prompt' as const, name: 'greet'};
      const completed = await client.complete({ref, argument: {name: 'who', value: 'a'}});
      assert.deepEqual(completed.completion.values, ['a-one']);
    }
    const whose = await Promise.all(
      clients.map(async client => JSON.parse(textOf(await client.callTool({name: 'who'}))) as {era: string}),
    );
    assert.deepEqual(
      whose.map(({era}) => era),
      ['modern', 'legacy', 'legacy', 'modern', 'legacy'],
    );
  });
});

/** The claude driver with the unmodified Claude Code, its model replaced by a script. */
import assert from 'node:assert/strict';
import {ClaudeStage} from './claudeStage.ts';

describe('claude driver', function () {
  this.timeout(60_000);
  const stage = new ClaudeStage();
  before(() => stage.open());
  after(() => stage.close());

  it("edits files of the worktree with Claude Code's own tools and reports the work in order", async () => {
    const server = await stage.play(`
tasks:
  t:
    turns:
      - thinking: A file is wanted.
        text: I write it.
        calls: [{tool: Write, input: {file_path: '{{worktree}}/note.txt', content: "one\\n"}}]
      - calls: [{tool: Edit, input: {file_path: '{{worktree}}/note.txt', old_string: one, new_string: two}}]
      - All done.
`);
    const {host, outcome, read} = stage.start(server);
    assert.deepEqual(await outcome(), {kind: 'succeeded', summary: 'All done.'});
    assert.equal(read('note.txt'), 'two\n');
    const shape = host.events.map(event =>
      event.kind === 'toolCall' ? `${event.kind} ${event.name}` : event.kind,
    );
    assert.deepEqual(shape, [
      'text',
      'thinking',
      'text',
      'toolCall Write',
      'toolResult',
      'toolCall Edit',
      'toolResult',
      'text',
    ]);
    assert.match(host.session ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(host.spent.turns, 3);
    assert(host.spent.costUsd > 0 && host.spent.outputTokens > 0 && host.spent.inputTokens > 0);
  });
});

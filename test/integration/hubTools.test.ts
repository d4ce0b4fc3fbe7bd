/** Claude Code itself (rehearsed) with the hub's tools, as an attempt of the fleet; and attempts whose fence has fallen, which get nothing done. */
import assert from 'node:assert/strict';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Answer, ToolClient} from '../mcp/tools/toolClient.ts';
import {Fleet} from '../support/fleet.ts';

const SCRIPT = `tasks:
  boss:
    turns:
      - calls: [{tool: mcp__mcpx__agents_list, input: {}}]
      - calls: [{tool: mcp__mcpx__task_delegate, input: {prompt: Do the first half., more: {hubTools: true}}}]
      - calls: [{tool: mcp__mcpx__task_delegate, input: {prompt: Do the second half., more: {hubTools: true}}}]
      - calls: [{tool: mcp__mcpx__task_wait, input: {taskIds: [_part-boss-1, _part-boss-2], waitSeconds: 60}}]
      - calls: [{tool: mcp__mcpx__memory_list, input: {pattern: "done/**"}}]
      - calls: [{tool: mcp__mcpx__mailbox_receive, input: {waitSeconds: 30}}]
      - Both halves are done.
  _part-boss-*:
    turns:
      - calls: [{tool: mcp__mcpx__memory_put, input: {key: "done/{{task}}", value: {by: "{{task}}"}}}]
      - calls: [{tool: mcp__mcpx__mailbox_send, input: {to: boss, text: "{{task}} is done"}}]
      - A half is done.
`;

describe('Claude Code with the tools of the hub', function () {
  this.timeout(240_000);
  let server: RehearsalServer;
  let fleet: Fleet;
  let hub: ToolClient;

  before(async () => {
    const script = parseRehearsalScript(SCRIPT, 'script');
    server = await startRehearsalServer({clock: systemClock, logger: silentLogger, script});
    fleet = await Fleet.start({env: server.env});
    for (const id of ['a-1', 'a-2', 'a-3']) await fleet.startAgent({id, slots: 1, rehearsal: true});
    await fleet.whenOnline(['a-1', 'a-2', 'a-3']);
    hub = await ToolClient.open(fleet.endpoint);
  });
  after(async () => {
    await hub?.close();
    await fleet?.close();
    await server?.stop();
  });

  it('lists the agents, gives two tasks to others, waits for them, and reads what they have left', async () => {
    const {session}: Answer = await hub.call('session_start', {
      name: 'halves',
      tasks: [{id: 'boss', prompt: 'Have two others do it.', hubTools: true}],
      rehearsal: true,
    });
    const {sessionId} = session;
    const ended: Answer = await hub.call('session_wait', {sessionId, waitSeconds: 200});
    const left: Answer = await hub.call('task_result', {sessionId, taskId: 'boss', events: 100});
    const told = left.transcript.map(({text}: Answer) => text).join('\n');
    assert.equal(ended.session.state, 'succeeded', `${told}\n${JSON.stringify(ended, undefined, 1)}`);
    assert.match(told, /"agentId":"a-3".*"claude":"ready"/, 'it saw the fleet');
    assert.match(told, /"taskId":"_part-boss-1","state":"succeeded"/);
    assert.match(told, /"key":"done\/_part-boss-2","value":\{"by":"_part-boss-2"\}/);
    assert.match(told, /"text":"_part-boss-\d is done"/);
    const agents = new Set(
      ended.tasks.filter(({taskId}: Answer) => taskId !== '_result').map(({agentId}: Answer) => agentId),
    );
    assert.ok(agents.size >= 2, 'others did it');
    const entry: Answer = await hub.call('memory_get', {sessionId, key: 'done/_part-boss-1'});
    assert.equal(entry.by, `${sessionId}._part-boss-1.1`, 'written under the fence of its attempt');
    const shown =
      fleet.coordinator.log() + [...fleet.agents.values()].map(({process}) => process.log()).join('');
    assert.doesNotMatch(
      shown,
      /attempt\.s-[\w-]+\.[\w-]+\.\d+\.\d+\.a-/,
      'no token of an attempt in the logs',
    );
  });
});

/** Calls of the hub's tools name everything by handles: the coordinator that serves one dies in the middle of it, and the call is made again elsewhere. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {type Answer, ToolClient} from '../mcp/tools/toolClient.ts';
import {CoordinatorCluster} from '../support/coordinatorCluster.ts';
import {found} from '../support/waiting.ts';

const WAIT_MS = 120_000;

describe('a tool of the hub whose coordinator is killed in mid-call', function () {
  this.timeout(300_000);
  let cluster: CoordinatorCluster;
  const clients: ToolClient[] = [];

  before(async () => {
    cluster = await CoordinatorCluster.start(['a', 'b', 'c']);
  });
  after(async () => {
    await Promise.all(clients.map(client => client.close().catch(() => undefined)));
    await cluster?.close();
  });

  async function hubAt(node: string): Promise<ToolClient> {
    const client = await ToolClient.open(cluster.member(node).endpoint);
    clients.push(client);
    return client;
  }

  it('goes on by its handles at another one, and what was begun under a key has happened once', async () => {
    // The lead dies too: whoever serves the second call has to wait for the next one.
    const dying = await cluster.lead();
    const [left = ''] = ['a', 'b', 'c'].filter(node => node !== dying);
    await cluster.member(left).startAgent({id: 'x-1', args: ['--claude', 'off']});
    await cluster.member(left).whenOnline(['x-1']);
    const first = await hubAt(dying);
    const file = path.join(cluster.member(left).folder, 'go');
    const job = {key: 'job', run: `while [ ! -e ${file} ]; do sleep 0.05; done; echo done`};
    const {sessionId, taskId}: Answer = await first.call('task_delegate', job);
    const waits: string[] = [];
    const waiting = first.call(
      'task_wait',
      {sessionId, taskIds: [taskId], waitSeconds: 100},
      {onProgress: ({message = ''}) => waits.push(message)},
    );
    const cut = assert.rejects(waiting, 'the call dies with its coordinator');
    await found(() => Promise.resolve(waits.at(0)), WAIT_MS, 'the wait to be at work');
    await cluster.kill(dying);
    // The client's own library would wait for the stream to come back.
    await first.client.close();
    await cut;
    const second = await hubAt(left);
    // Asked for again by somebody who does not know whether it was begun.
    const again: Answer = await found(
      async () => {
        const result = await second.result('task_delegate', job, {});
        return result.isError ? undefined : result.structuredContent;
      },
      WAIT_MS,
      'another lead',
    );
    assert.deepEqual([again.sessionId, again.taskId], [sessionId, taskId]);
    const still: Answer = await second.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: 1});
    assert.equal(still.done, false);
    const ended = second.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: 100});
    writeFileSync(file, '');
    const {done, tasks}: Answer = await ended;
    assert.deepEqual([done, tasks[0].state, tasks[0].attempts], [true, 'succeeded', 1]);
    const {sessions}: Answer = await second.call('sessions_list');
    assert.equal(sessions.length, 1, 'it was begun once');
  });
});

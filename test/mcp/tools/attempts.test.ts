/** Tokens of attempts: what they open, at every coordinator, and for how long; an agent by its registration alone runs the attempts. */
import assert from 'node:assert/strict';
import type {Connection} from '../../../coordinator/client/connection.ts';
import type {TaskAssign} from '../../../coordinator/protocol/commands/attempt.ts';
import {NO_USAGE} from '../../../coordinator/protocol/usage.ts';
import {registration} from '../../hub/support.ts';
import {CoordinatorTrio} from '../../support/coordinatorTrio.ts';
import {found, within} from '../../support/waiting.ts';
import {type Answer, ToolClient} from './toolClient.ts';

const WAIT_MS = 60_000;

describe('the token of an attempt', function () {
  this.timeout(180_000);
  let trio: CoordinatorTrio;
  let lead: ToolClient;
  let agent: Connection;
  const assigned: TaskAssign[] = [];
  const open: ToolClient[] = [];

  before(async () => {
    trio = await CoordinatorTrio.start();
    await trio.lead();
    lead = await client('a', trio.at('a').clientToken);
    agent = trio.connection('b', {
      handler: call => {
        if (call.method === 'mcpx.orchestrate.task.assign') assigned.push(call.params);
        return Promise.resolve(
          call.method === 'mcpx.orchestrate.task.assign' ? {kind: 'accepted'} : {known: true},
        );
      },
      onConnected: async peer => {
        const {instance, ...more} = registration('x-1');
        const metadata = {...instance.metadata, maxConcurrentTasks: 8};
        await peer.request('mcpx.agent.register', {...more, instance: {...instance, metadata}});
      },
    });
    agent.start();
    await agent.whenConnected(WAIT_MS);
  });
  after(async () => {
    await Promise.all(open.map(each => each.close()));
    await trio?.close();
  });

  async function client(node: 'a' | 'b' | 'c', token: string): Promise<ToolClient> {
    const made = await ToolClient.open({url: trio.at(node).url, token});
    open.push(made);
    return made;
  }

  /** A running attempt of a session of its own. */
  async function attempt(name: string): Promise<TaskAssign> {
    await lead.call('session_start', {
      key: name,
      name,
      open: true,
      tasks: [
        {id: 'before', run: 'true'},
        {id: 'own', run: 'true', dependsOn: ['before']},
      ],
    });
    const of = (taskId: string, number: number): Promise<TaskAssign> =>
      found(
        () =>
          Promise.resolve(
            assigned.find(one => one.sessionName === name && one.taskId === taskId && one.number === number),
          ),
        WAIT_MS,
        `attempt ${number} of ${taskId}`,
      );
    await complete(await of('before', 1), 'done before');
    return of('own', 1);
  }

  async function complete({attemptId, fence}: TaskAssign, summary: string): Promise<void> {
    await agent.request('mcpx.orchestrate.task.complete', {
      ...{attemptId, fence, startedAt: 1, endedAt: 2, activeMs: 1, usage: NO_USAGE},
      report: {outcome: 'succeeded', result: {summary}},
    });
  }

  async function tokenOf({attemptId, fence}: TaskAssign): Promise<string> {
    return (await agent.request('mcpx.attempt.token', {attemptId, fence})).token;
  }

  it('opens the tools of its attempt at every coordinator, for its own session and under its fence', async () => {
    const own = await attempt('opens');
    const token = await tokenOf(own);
    const {sessionId} = own;
    const there = await client('c', token);
    const {tools} = await there.client.listTools();
    const names = tools.map(({name}) => name);
    assert.ok(
      names.includes('task_split') && names.includes('memory_put') && !names.includes('session_start'),
    );
    const before: Answer = await there.call('dependencies_get');
    assert.deepEqual(before.results, [{taskId: 'before', summary: 'done before'}]);
    await there.call('memory_put', {key: 'mine', value: 1});
    const seen: Answer = await lead.call('memory_get', {sessionId, key: 'mine'});
    assert.equal(seen.by, own.attemptId);
    const given: Answer = await there.call('task_delegate', {run: 'echo help', key: 'help'});
    assert.deepEqual(await there.call('task_delegate', {run: 'echo help', key: 'help'}), given);
    const another: Answer = await there.call('task_delegate', {run: 'echo more'});
    assert.notEqual(another.taskId, given.taskId);
    const state: Answer = await lead.call('session_get', {sessionId});
    assert.ok(state.tasks.some(({taskId}: Answer) => taskId === given.taskId));
    const letter: Answer = await there.call('mailbox_send', {to: 'lead', text: 'hello'});
    const got: Answer = await lead.call('mailbox_receive', {sessionId, waitSeconds: 0});
    assert.deepEqual(
      got.messages.map(({messageId, from}: Answer) => [messageId, from]),
      [[letter.messageId, 'own']],
    );
    const questions = [{question: 'May I?'}];
    const asked: Answer = await there.call('person_ask', {questions, waitSeconds: 0});
    await trio.client('a').request('mcpx.approval.answer', {
      sessionId,
      approvalId: asked.questionId,
      answer: {kind: 'answers', answers: {'May I?': 'yes'}},
    });
    const answered: Answer = await there.call('person_answer', {questionId: asked.questionId});
    assert.deepEqual(answered.answers, {'May I?': 'yes'});
    assert.match(await there.fails('session_start', {name: 'x'}), /forbidden: an attempt may not use/);
    assert.match(await there.fails('memory_get', {sessionId: 's-other', key: 'a'}), /forbidden/);
    assert.match(await there.fails('task_delegate', {run: 'true', taskId: 'named'}), /taskId/);
    await assert.rejects(there.client.readResource({uri: 'mcpx://sessions/s-other'}), /sees its own session/);
    await assert.rejects(there.client.readResource({uri: 'mcpx://sessions'}), /sees its own session/);
    assert.match(await lead.fails('task_split', {parts: [['a']]}), /for attempts/);
  });

  it('is worth nothing once the attempt was replaced: a clear error, and no effect', async () => {
    const own = await attempt('replaced');
    const token = await tokenOf(own);
    const {sessionId} = own;
    const stale = await client('b', token);
    await stale.call('memory_put', {key: 'mine', value: 'before'});
    await lead.call('task_cancel', {sessionId, taskId: 'own'});
    await lead.call('task_wait', {sessionId, taskIds: ['own'], waitSeconds: 60});
    for (const [tool, args] of [
      ['memory_put', {key: 'mine', value: 'after'}],
      ['memory_get', {key: 'mine'}],
      ['mailbox_send', {to: 'lead', text: 'still here'}],
      ['task_delegate', {run: 'true'}],
      ['person_ask', {questions: [{question: 'Still?'}]}],
      ['agents_list', {}],
    ] as const)
      assert.match(await stale.fails(tool, args), /staleFence: the fence of attempt .* has fallen/, tool);
    const seen: Answer = await lead.call('memory_get', {sessionId, key: 'mine'});
    assert.equal(seen.value, 'before');
    const got: Answer = await lead.call('mailbox_receive', {sessionId, waitSeconds: 0});
    assert.deepEqual(got.messages, []);
    await assert.rejects(tokenOf(own), {kind: 'staleFence'});
  });

  it('opens nothing but the tools, and is no other', async () => {
    const own = await attempt('else');
    const token = await tokenOf(own);
    const base = trio.at('a').url.replace(/^ws/, 'http');
    const ask = (path: string, bearer: string) =>
      fetch(new URL(path, base), {headers: {authorization: `Bearer ${bearer}`}});
    assert.equal((await ask('/artifacts/default/x', token)).status, 403);
    const other = token.replace('.own.', '.before.');
    assert.equal((await ask('/mcp', other)).status, 401, 'a forged one');
    const socket = trio.connection('a', {token: () => token});
    socket.start();
    await assert.rejects(within(socket.whenConnected(WAIT_MS), WAIT_MS, 'a refusal'), {kind: 'unauthorized'});
    await assert.rejects(trio.client('a').request('mcpx.attempt.token', own), {kind: 'forbidden'});
  });
});

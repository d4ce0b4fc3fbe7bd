/** The hub's own tools, each once and with bad input, by a plain MCP client of a real coordinator with real agents. */
import assert from 'node:assert/strict';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {Fleet} from '../../support/fleet.ts';
import {found} from '../../support/waiting.ts';
import {type Answer, ToolClient} from './toolClient.ts';

const WAIT = 60;

describe("the hub's own tools", function () {
  this.timeout(180_000);
  let fleet: Fleet;
  let hub: ToolClient;
  let files = 0;

  before(async () => {
    fleet = await Fleet.start();
    await fleet.startAgent({id: 'a-1', args: ['--claude', 'off', '--region', 'eu', '--tag', 'big']});
    await fleet.startAgent({id: 'a-2', args: ['--claude', 'off', '--capability', 'analysis:expert:sql']});
    await fleet.whenOnline(['a-1', 'a-2']);
    hub = await ToolClient.open(fleet.endpoint);
  });
  after(async () => {
    await hub?.close();
    await fleet?.close();
  });

  /** A command that runs until it is released. */
  function held(): {readonly run: string; release(): void} {
    files += 1;
    const file = path.join(fleet.folder, `go-${files}`);
    return {run: `while [ ! -e ${file} ]; do sleep 0.05; done`, release: () => writeFileSync(file, '')};
  }

  const openSession = async (name: string): Promise<string> => {
    const {session}: Answer = await hub.call('session_start', {key: name, name});
    assert.deepEqual([session.open, session.state], [true, 'running']);
    return session.sessionId;
  };

  it('have names that every client takes, exact schemas, and say whether they change anything', async () => {
    const {tools} = await hub.client.listTools();
    for (const {name, inputSchema, outputSchema, annotations, description = ''} of tools) {
      assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
      assert.equal(inputSchema.type, 'object', name);
      assert.equal(outputSchema?.type, 'object', name);
      assert.equal(typeof annotations?.readOnlyHint, 'boolean', name);
      assert.ok(description.length > 20, name);
    }
    const names = tools.map(({name}) => name);
    assert.ok(
      names.includes('task_delegate') && !names.includes('task_split'),
      'what attempts have is theirs',
    );
  });

  it('agents_list: who is there and what they can do', async () => {
    const {agents}: Answer = await hub.call('agents_list');
    assert.deepEqual(
      agents.map(({agentId, online, claude}: Answer) => [agentId, online, claude]),
      [
        ['a-1', true, 'disabled'],
        ['a-2', true, 'disabled'],
      ],
    );
    const able: Answer = await hub.call('agents_list', {domain: 'analysis'});
    assert.deepEqual(
      able.agents.map(({agentId, capabilities}: Answer) => [agentId, capabilities[0].proficiency]),
      [['a-2', 'expert']],
    );
    assert.match(await hub.fails('agents_list', {status: ['asleep']}), /invalidParams: status\.0/);
  });

  it('session_start: a plan text, once for a key; session_wait: to its end; what it did is told', async () => {
    const plan =
      'name: two\nworkspace: none\ntasks:\n  - {id: a, run: echo hello}\n  - {id: b, run: "false", dependsOn: a, retry: {max: 0}}\n';
    const first: Answer = await hub.call('session_start', {key: 'two', plan});
    const again: Answer = await hub.call('session_start', {key: 'two', plan});
    assert.deepEqual([first.created, again.created], [true, false]);
    assert.equal(again.session.sessionId, first.session.sessionId);
    const {sessionId} = first.session;
    const ended: Answer = await hub.call('session_wait', {sessionId, waitSeconds: WAIT});
    assert.deepEqual([ended.done, ended.session.state], [true, 'failed']);
    const states = new Map(ended.tasks.map(({taskId, state}: Answer) => [taskId, state]));
    assert.deepEqual([states.get('a'), states.get('b')], ['succeeded', 'failed']);
    const left: Answer = await hub.call('task_result', {sessionId, taskId: 'a'});
    assert.ok(left.transcript.some(({kind, text}: Answer) => kind === 'output' && text.includes('hello')));
    const failed: Answer = await hub.call('task_result', {sessionId, taskId: 'b'});
    assert.equal(failed.task.failure.kind, 'exit');
    const why: Answer = await hub.call('task_explain', {sessionId, taskId: 'a'});
    assert.match(why.placements[0].reasons.join(' '), /was chosen by/);
    const {sessions}: Answer = await hub.call('sessions_list');
    assert.ok(sessions.some((session: Answer) => session.sessionId === sessionId));
    assert.equal(((await hub.call('sessions_list', {unfinished: true})) as Answer).sessions.length, 0);
    const now: Answer = await hub.call('session_get', {sessionId});
    assert.equal(now.session.failure, ended.session.failure);
  });

  it('session_start: every mistake of a plan is named, and what is not here', async () => {
    assert.match(
      await hub.fails('session_start', {plan: 'name: x\ntasks:\n  - {id: a, run: "true", dependsOn: b}\n'}),
      /no task is called "b"/,
    );
    assert.match(
      await hub.fails('session_start', {
        plan: 'name: x\nworkspace: {repository: ../here}\ntasks: [{id: a, run: x}]',
      }),
      /which is not here/,
    );
    assert.match(await hub.fails('session_start', {plan: 'x', name: 'y'}), /plan: a plan text says its name/);
    assert.match(
      await hub.fails('session_start', {name: 'x', tasks: [{id: 'a', run: 'true', nonsense: 1}]}),
      /nonsense/,
    );
    assert.match(
      await hub.fails('session_start', {
        tasks: [{id: 'a', run: 'true'}],
        workspace: {sessionId: 's-nowhere'},
      }),
      /notFound: there is no session s-nowhere/,
    );
    assert.match(await hub.fails('session_get', {sessionId: 's-nowhere'}), /notFound/);
    assert.match(await hub.fails('session_wait', {sessionId: 's-nowhere', waitSeconds: 0}), /notFound/);
    assert.match(await hub.fails('session_end', {sessionId: 's-nowhere', mode: 'cancel'}), /notFound/);
    assert.match(await hub.fails('session_end', {sessionId: 's-nowhere', mode: 'explode'}), /mode/);
  });

  it('task_delegate: in a session of its own or an open one, to whom one likes, once for a key', async () => {
    const alone: Answer = await hub.call('task_delegate', {key: 'alone', run: 'echo alone', title: 'Alone'});
    const same: Answer = await hub.call('task_delegate', {key: 'alone', run: 'echo alone', title: 'Alone'});
    assert.deepEqual(same, alone);
    const sessionId = await openSession('open');
    const {taskId}: Answer = await hub.call('task_delegate', {
      sessionId,
      run: 'echo there',
      agentId: 'a-2',
      key: 'k',
    });
    const repeated: Answer = await hub.call('task_delegate', {
      sessionId,
      run: 'echo there',
      agentId: 'a-2',
      key: 'k',
    });
    assert.equal(repeated.taskId, taskId);
    assert.match(
      await hub.fails('task_delegate', {sessionId, run: 'echo another', agentId: 'a-2', key: 'k'}),
      /conflict/,
    );
    const next: Answer = await hub.call('task_delegate', {
      sessionId,
      taskId: 'next',
      run: 'echo next',
      dependsOn: [taskId],
      more: {timeout: '5m'},
    });
    assert.equal(next.taskId, 'next');
    const waited: Answer = await hub.call('task_wait', {
      sessionId,
      taskIds: [taskId, 'next'],
      waitSeconds: WAIT,
    });
    assert.deepEqual([waited.done, waited.tasks[0].agentId], [true, 'a-2']);
    assert.ok(waited.tasks.every(({state}: Answer) => state === 'succeeded'));
    const other: Answer = await hub.call('task_wait', {...alone, taskIds: [alone.taskId], waitSeconds: WAIT});
    assert.equal(other.tasks[0].state, 'succeeded');
    const closed: Answer = await hub.call('session_end', {sessionId, mode: 'finish'});
    assert.equal(closed.session.open, false);
    const ended: Answer = await hub.call('session_wait', {sessionId, waitSeconds: WAIT});
    assert.equal(ended.session.state, 'succeeded');
    assert.match(await hub.fails('task_delegate', {sessionId, run: 'true'}), /conflict/);
    assert.match(await hub.fails('task_delegate', {run: 'true', prompt: 'x'}), /one of both/);
    assert.match(await hub.fails('task_delegate', {sessionId, run: 'x', more: {nonsense: true}}), /nonsense/);
    assert.match(
      await hub.fails('task_wait', {sessionId, taskIds: ['nobody'], waitSeconds: 0}),
      /no task nobody/,
    );
    assert.match(await hub.fails('task_result', {sessionId, taskId: 'nobody'}), /no task nobody/);
    assert.match(await hub.fails('task_explain', {sessionId, taskId: 'nobody'}), /no task nobody/);
    assert.match(await hub.fails('task_result', {taskId: 'next'}), /sessionId: name the session/);
  });

  it('waits answer with how things are at their limit, tell of changes and of progress, and end with the client', async () => {
    const sessionId = await openSession('waiting');
    const {run, release} = held();
    const {taskId}: Answer = await hub.call('task_delegate', {sessionId, run});
    const early: Answer = await hub.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: 0});
    assert.equal(early.done, false);
    let now: Answer = await hub.call('session_get', {sessionId});
    while (now.tasks.find((task: Answer) => task.taskId === taskId)?.state !== 'running')
      now = await hub.call('session_wait', {sessionId, seen: now.seen, waitSeconds: WAIT});
    const busy: Answer = await hub.call('agents_list');
    assert.equal(
      busy.agents.reduce((sum: number, agent: Answer) => sum + agent.running, 0),
      1,
    );
    const gone = new AbortController();
    const left = hub.call('task_wait', {sessionId, taskIds: [taskId]}, {signal: gone.signal});
    gone.abort();
    await assert.rejects(left);
    const told: string[] = [];
    const waiting = hub.call(
      'task_wait',
      {sessionId, taskIds: [taskId], waitSeconds: WAIT},
      {onProgress: ({message}) => told.push(message ?? '')},
    );
    await found(() => Promise.resolve(told.at(0)), 60_000, 'progress');
    release();
    const done: Answer = await waiting;
    assert.equal(done.tasks[0].state, 'succeeded');
    await hub.call('session_end', {sessionId, mode: 'cancel', reason: 'the test is over'});
    const ended: Answer = await hub.call('session_wait', {sessionId, waitSeconds: WAIT});
    assert.equal(ended.done, true);
  });

  it('task_cancel, task_retry and task_message steer a task', async () => {
    const sessionId = await openSession('steering');
    const {run, release} = held();
    const {taskId}: Answer = await hub.call('task_delegate', {sessionId, run});
    let now: Answer = await hub.call('session_get', {sessionId});
    while (now.tasks[0]?.state !== 'running')
      now = await hub.call('session_wait', {sessionId, seen: now.seen, waitSeconds: WAIT});
    const said: Answer = await hub.call('task_message', {sessionId, taskId, text: 'hello'});
    assert.equal(said.taken, false, 'a command does not listen');
    await hub.call('task_cancel', {sessionId, taskId});
    await hub.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: WAIT});
    const cancelled: Answer = await hub.call('task_cancel', {sessionId, taskId});
    assert.equal(cancelled.state, 'cancelled');
    assert.match(
      await hub.fails('task_message', {sessionId, taskId, text: 'hello'}),
      /no attempt of it runs/,
    );
    release();
    await hub.call('task_retry', {sessionId, taskId});
    const done: Answer = await hub.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: WAIT});
    assert.equal(done.tasks[0].state, 'succeeded');
    assert.match(await hub.fails('task_retry', {sessionId, taskId}), /conflict|invalid/);
    assert.match(await hub.fails('task_cancel', {sessionId, taskId: 'nobody'}), /no task nobody/);
    await hub.call('session_end', {sessionId, mode: 'cancel'});
  });

  it('memory_*: reads, writes under a version, lists, deletes, and waits for changes', async () => {
    const sessionId = await openSession('memory');
    assert.equal(((await hub.call('memory_get', {sessionId, key: 'plan/a'})) as Answer).found, false);
    const written: Answer = await hub.call('memory_put', {
      sessionId,
      key: 'plan/a',
      value: {x: 1},
      ifVersion: 0,
    });
    assert.match(
      await hub.fails('memory_put', {sessionId, key: 'plan/a', value: 2, ifVersion: 0}),
      /conflict/,
    );
    const read: Answer = await hub.call('memory_get', {sessionId, key: 'plan/a'});
    assert.deepEqual([read.value, read.version, read.found], [{x: 1}, written.version, true]);
    const listed: Answer = await hub.call('memory_list', {sessionId, pattern: 'plan/*'});
    assert.deepEqual(
      listed.entries.map(({key}: Answer) => key),
      ['plan/a'],
    );
    const waiting = hub.call('memory_watch', {
      sessionId,
      pattern: 'plan/**',
      after: listed.revision,
      waitSeconds: WAIT,
    });
    await hub.call('memory_put', {sessionId, key: 'else', value: 1});
    await hub.call('memory_put', {sessionId, key: 'plan/b', value: 'new'});
    const seen: Answer = await waiting;
    assert.deepEqual(
      seen.changed.map(({key, value}: Answer) => [key, value]),
      [['plan/b', 'new']],
    );
    await hub.call('memory_delete', {sessionId, key: 'plan/a'});
    await hub.call('memory_put', {sessionId, key: 'plan/b', value: 'newer'});
    const missed: Answer = await hub.call('memory_watch', {
      sessionId,
      pattern: 'plan/**',
      after: seen.revision,
      waitSeconds: WAIT,
    });
    assert.deepEqual(
      [missed.changed.map(({value}: Answer) => value), missed.deleted],
      [['newer'], ['plan/a']],
    );
    const none: Answer = await hub.call('memory_watch', {sessionId, after: missed.revision, waitSeconds: 0});
    assert.deepEqual([none.changed, none.deleted, none.reset], [[], [], false]);
    const gone: Answer = await hub.call('memory_delete', {sessionId, key: 'plan/a'});
    assert.equal(gone.deleted, false);
    assert.match(
      await hub.fails('memory_put', {sessionId, key: 'has space', value: 1}),
      /key: no white space/,
    );
    assert.match(await hub.fails('memory_put', {sessionId, key: 'a'}), /value/);
    assert.match(await hub.fails('memory_put', {sessionId: 's-nowhere', key: 'a', value: 1}), /notFound/);
    await hub.call('session_end', {sessionId, mode: 'cancel'});
  });

  it('mailbox_*: in order, at least once, until acknowledged; bounded', async () => {
    const sessionId = await openSession('mail');
    const send = (args: object) =>
      hub.call('mailbox_send', {sessionId, to: 'lead', ...args}) as Promise<Answer>;
    const receive = (args: object) =>
      hub.call('mailbox_receive', {sessionId, waitSeconds: 0, ...args}) as Promise<Answer>;
    const first = await send({text: 'one', key: 'first'});
    const again = await send({text: 'one', key: 'first'});
    assert.deepEqual([again.messageId, again.again, first.again], [first.messageId, true, false]);
    await Promise.all(['two', 'three', 'four'].map(text => send({text, data: {text}})));
    const got = await receive({});
    assert.deepEqual(
      got.messages.map(({number}: Answer) => number),
      [1, 2, 3, 4],
    );
    assert.deepEqual(got.messages[0].messageId, first.messageId);
    assert.equal((await receive({})).messages.length, 4, 'what is not acknowledged comes again');
    assert.deepEqual(
      (await receive({ack: got.messages[1].number})).messages.map(({number}: Answer) => number),
      [3, 4],
    );
    assert.deepEqual(await receive({ack: got.cursor}), {messages: [], cursor: got.cursor});
    const later = receive({ack: got.cursor, waitSeconds: WAIT});
    const fifth = await send({text: 'five'});
    assert.equal(fifth.number, 5, 'numbers go on');
    assert.deepEqual(
      (await later).messages.map(({text}: Answer) => text),
      ['five'],
    );
    for (let count = 1; count < 200; count += 20)
      await Promise.all(
        Array.from({length: Math.min(20, 200 - count)}, (_, at) => one(sessionId, count + at)),
      );
    assert.match(
      await hub.fails('mailbox_send', {sessionId, to: 'lead', text: 'too many'}),
      /overloaded: 200/,
    );
    assert.match(await hub.fails('mailbox_send', {sessionId, to: 'a b', text: 'x'}), /to: letters/);
    assert.match(await hub.fails('mailbox_receive', {sessionId, ack: -1}), /ack/);
    await hub.call('session_end', {sessionId, mode: 'cancel'});
  });

  const one = async (sessionId: string, number: number): Promise<void> => {
    // Twenty at once may get in each other's way more often than one call tries.
    for (;;) {
      const result = await hub.result(
        'mailbox_send',
        {sessionId, to: 'lead', text: 'x', key: `n-${number}`},
        {},
      );
      if (!result.isError) return;
    }
  };

  it('person_ask: people see it and answer, now or later; nobody is asked for a session that is over', async () => {
    const sessionId = await openSession('asking');
    const question = {question: 'Which way?', options: [{label: 'left'}, {label: 'right'}]};
    const ask = {sessionId, key: 'way', questions: [question]};
    const asked: Answer = await hub.call('person_ask', {...ask, waitSeconds: 0});
    assert.equal(asked.state, 'waiting');
    const {questionId} = asked;
    assert.equal(((await hub.call('person_ask', {...ask, waitSeconds: 0})) as Answer).questionId, questionId);
    const later = hub.call('person_answer', {sessionId, questionId, waitSeconds: WAIT});
    const client = await fleet.connect();
    await client.request('mcpx.approval.answer', {
      sessionId,
      approvalId: questionId,
      answer: {kind: 'answers', answers: {'Which way?': 'left'}},
    });
    const answered: Answer = await later;
    assert.deepEqual([answered.state, answered.answers], ['answered', {'Which way?': 'left'}]);
    const known: Answer = await hub.call('person_ask', ask);
    assert.equal(known.state, 'answered');
    const open: Answer = await hub.call('person_ask', {sessionId, questions: [question], waitSeconds: 0});
    await hub.call('session_end', {sessionId, mode: 'cancel'});
    const over: Answer = await hub.call('person_answer', {
      sessionId,
      questionId: open.questionId,
      waitSeconds: WAIT,
    });
    assert.equal(over.state, 'withdrawn');
    assert.match(await hub.fails('person_ask', {sessionId, questions: [question]}), /conflict: session/);
    assert.match(await hub.fails('person_ask', {sessionId, questions: []}), /questions/);
    assert.match(await hub.fails('person_answer', {sessionId, questionId: 'q-none'}), /notFound/);
  });

  it('resources: the fleet, sessions and their parts; a subscriber hears of changes', async () => {
    const sessionId = await openSession('resources');
    const {resources} = await hub.client.listResources();
    assert.ok(resources.some(({uri}) => uri === `mcpx://sessions/${sessionId}/tasks`));
    const {resourceTemplates} = await hub.client.listResourceTemplates();
    assert.ok(resourceTemplates.some(({uriTemplate}) => uriTemplate === 'mcpx://sessions/{sessionId}'));
    const read = async (uri: string): Promise<Answer> => {
      const {contents} = await hub.client.readResource({uri});
      const [content] = contents;
      assert.ok(content && 'text' in content);
      return JSON.parse(content.text);
    };
    assert.equal((await read('mcpx://agents')).agents.length, 2);
    assert.equal((await read(`mcpx://sessions/${sessionId}`)).name, 'resources');
    await hub.call('memory_put', {sessionId, key: 'a/b', value: [1]});
    assert.deepEqual((await read(`mcpx://sessions/${sessionId}/memory/a/b`)).value, [1]);
    const {taskId}: Answer = await hub.call('task_delegate', {sessionId, run: 'echo seen'});
    await hub.call('task_wait', {sessionId, taskIds: [taskId], waitSeconds: WAIT});
    assert.equal((await read(`mcpx://sessions/${sessionId}/tasks/${taskId}`)).state, 'succeeded');
    const transcript = await read(`mcpx://sessions/${sessionId}/transcripts/${sessionId}.${taskId}.1`);
    assert.ok(transcript.events.some(({text}: Answer) => text === 'seen\n'));
    await assert.rejects(read('mcpx://sessions/s-nowhere'), /there is no session/);
    await assert.rejects(read('mcpx://nothing'));
    const updates: string[] = [];
    hub.client.fallbackNotificationHandler = async ({method, params}) => {
      if (method === 'notifications/resources/updated') updates.push(String(params?.['uri']));
    };
    const uri = `mcpx://sessions/${sessionId}/memory/a/b`;
    await hub.client.subscribeResource({uri});
    await found(
      async () => {
        await hub.call('memory_put', {sessionId, key: 'a/b', value: updates.length});
        return updates.includes(uri) || undefined;
      },
      60_000,
      'an update',
    );
    await hub.client.unsubscribeResource({uri});
    await hub.call('session_end', {sessionId, mode: 'cancel'});
  });

  it('prompts: a job for the fleet as it is now', async () => {
    const {prompts} = await hub.client.listPrompts();
    assert.deepEqual(
      prompts.map(({name}) => name),
      ['plan_job', 'review_session', 'unblock_fleet'],
    );
    const {messages} = await hub.client.getPrompt({name: 'plan_job', arguments: {goal: 'paint it blue'}});
    const [message] = messages;
    assert.ok(message?.content.type === 'text');
    assert.match(message.content.text, /a-1: .*slots[\s\S]*paint it blue/);
    await assert.rejects(hub.client.getPrompt({name: 'plan_job'}), /goal/);
  });

  it('an agent’s own token opens nothing', async () => {
    const {url, agentToken} = fleet.endpoint;
    const agent = await ToolClient.open({url, token: agentToken});
    const {tools} = await agent.client.listTools();
    assert.deepEqual(
      tools.filter(({name}) => name.startsWith('task_')),
      [],
    );
    assert.match(await agent.fails('agents_list'), /forbidden: the token of an agent opens no tools/);
    await agent.close();
  });
});

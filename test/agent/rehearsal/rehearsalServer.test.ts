/** The rehearsal server by its wire: what a client of the Messages API gets, streaming and not, right and wrong. */
import assert from 'node:assert/strict';
import * as z from 'zod';
import {formatAttemptMarker} from '../../../coordinator/agent/rehearsal/attemptMarker.ts';
import {
  type RehearsalServer,
  startRehearsalServer,
} from '../../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';

const Message = z.looseObject({
  model: z.string(),
  stop_reason: z.string(),
  content: z.array(z.looseObject({type: z.string()})),
  usage: z.looseObject({output_tokens: z.number()}),
});

const SCRIPT = `
tasks:
  t:
    turns:
      - thinking: Hm.
        text: I write a longer text, so that it takes more than one piece to bring it over the wire.
        calls: [{tool: Write, input: {file_path: '{{worktree}}/a'}}]
      - {text: After errors., error: {status: 529, times: 2}}
  limited: {turns: [{error: {status: 429, retryAfterSeconds: 7, message: slow down}}]}
  hanging: {turns: [{text: Late., hangMs: 60000}]}
`;

describe('rehearsal server', () => {
  let server: RehearsalServer;
  before(async () => {
    const script = parseRehearsalScript(SCRIPT, 'x.yaml');
    server = await startRehearsalServer({clock: systemClock, logger: silentLogger, script});
  });
  after(() => server.stop());

  function post(body: unknown, headers: Record<string, string> = {'x-api-key': 'k'}, signal?: AbortSignal) {
    return fetch(`${server.url}/v1/messages?beta=true`, {
      method: 'POST',
      headers: {'content-type': 'application/json', ...headers},
      body: typeof body === 'string' ? body : JSON.stringify(body),
      ...(signal ? {signal} : {}),
    });
  }
  const request = (taskId: string, answers = 0, more: object = {}) => ({
    model: 'claude-x',
    max_tokens: 100,
    system: [
      {type: 'text', text: `Rules.\n${formatAttemptMarker({taskId, attempt: 1, worktree: '/w'})}\nMore.`},
    ],
    messages: [
      {role: 'user', content: [{type: 'text', text: 'Do it.'}]},
      ...Array.from({length: answers}, () => ({role: 'assistant', content: 'x'})),
    ],
    ...more,
  });

  it('answers in one piece', async () => {
    const response = await post(request('t'));
    assert.equal(response.status, 200);
    const message = Message.parse(await response.json());
    assert.equal(message.model, 'claude-x');
    assert.equal(message.stop_reason, 'tool_use');
    assert.deepEqual(
      message.content.map(block => block.type),
      ['thinking', 'text', 'tool_use'],
    );
    assert.deepEqual(message.content[2]?.['input'], {file_path: '/w/a'});
    assert(message.usage.output_tokens > 0);
  });

  it('streams the same answer as events', async () => {
    const text = await (await post(request('t', 0, {stream: true}))).text();
    const events = text
      .split('\n\n')
      .filter(part => part !== '')
      .map(part => ({
        name: /^event: (.+)$/m.exec(part)?.[1],
        data: JSON.parse(/^data: (.+)$/m.exec(part)?.[1] ?? ''),
      }));
    assert(events.every(event => event.name === event.data.type));
    const deltas = (kind: string, key: string): string =>
      events
        .filter(event => event.data.delta?.type === kind)
        .map(event => event.data.delta[key])
        .join('');
    assert.match(deltas('text_delta', 'text'), /^I write .* the wire\.$/);
    assert.equal(deltas('thinking_delta', 'thinking'), 'Hm.');
    assert.deepEqual(JSON.parse(deltas('input_json_delta', 'partial_json')), {file_path: '/w/a'});
    assert.equal(events[0]?.name, 'message_start');
    assert.equal(events.at(-1)?.name, 'message_stop');
    assert.equal(events.find(event => event.name === 'message_delta')?.data.delta.stop_reason, 'tool_use');
  });

  it('fails as often as the script says, then goes on', async () => {
    const statuses: number[] = [];
    for (let index = 0; index < 3; index++) statuses.push((await post(request('t', 1))).status);
    assert.deepEqual(statuses, [529, 529, 200]);
  });

  it('says when to come back', async () => {
    const response = await post(request('limited'));
    assert.equal(response.status, 429);
    assert.equal(response.headers.get('retry-after'), '7');
    assert.deepEqual(await response.json(), {
      type: 'error',
      error: {type: 'rate_limit_error', message: 'slow down'},
    });
  });

  it('finds the task of a subagent by its session', async () => {
    const session = {'x-api-key': 'k', 'x-claude-code-session-id': 's1'};
    await post(request('t'), session);
    const {system: _system, ...plain} = request('t');
    await post(plain, {...session, 'x-claude-code-agent-id': 'a1'});
    const {at: _at, ...last} = server.requests.at(-1) ?? {at: 0};
    assert.deepEqual(last, {
      method: 'POST',
      path: '/v1/messages',
      status: 200,
      taskId: 't',
      attempt: 1,
      isSubagent: true,
      step: 0,
      model: 'claude-x',
    });
  });

  it('survives a client that goes away in mid-answer', async () => {
    const abort = new AbortController();
    const response = await post(request('hanging', 0, {stream: true}), {'x-api-key': 'k'}, abort.signal);
    const reader = response.body?.getReader();
    await reader?.read();
    abort.abort();
    assert.equal((await post(request('t'))).status, 200);
  });

  it('behaves like the API at its edges', async () => {
    assert.equal((await fetch(server.url, {method: 'HEAD'})).status, 200);
    assert.equal((await fetch(`${server.url}/v1/other`)).status, 404);
    assert.equal((await post(request('t'), {})).status, 401);
    assert.equal((await post('{')).status, 400);
    assert.equal((await post({model: 'x'})).status, 400);
    const counted = await fetch(`${server.url}/v1/messages/count_tokens`, {
      method: 'POST',
      headers: {'x-api-key': 'k'},
      body: '12345678',
    });
    assert.deepEqual(await counted.json(), {input_tokens: 2});
  });
});

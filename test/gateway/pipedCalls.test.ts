/** Calls over the pipes of a server beside the SDK's client: their numbers, answers, progress and ends; and the lines that they come in. */
import assert from 'node:assert/strict';
import {type JSONRPCMessage, type Progress, ProtocolError, SdkError} from '@modelcontextprotocol/client';
import fc from 'fast-check';
import {LineSplitter} from '../../coordinator/gateway/lineSplitter.ts';
import {PipedCalls} from '../../coordinator/gateway/pipedCalls.ts';

type Sent = JSONRPCMessage & {id: number; method: string; params: Record<string, unknown>};

const ENVELOPE = {'io.modelcontextprotocol/protocolVersion': '2026-07-28'};
const RESULT = {content: [{type: 'text', text: 'x'}]};

function calls(era: 'legacy' | 'modern' = 'legacy', send?: () => Promise<void>) {
  const sent: Sent[] = [];
  const direct = new PipedCalls(
    async message => {
      sent.push(message as Sent);
      await send?.();
    },
    {era, envelope: ENVELOPE},
  );
  const answer = (id: number | undefined, rest: object): boolean =>
    direct.receive({jsonrpc: '2.0', id, ...rest});
  return {direct, sent, answer};
}

describe('calls over pipes', () => {
  it('get their own answers, in whatever order these come', async () => {
    const {direct, sent, answer} = calls();
    const names = ['one', 'two', 'three'];
    const asked = names.map(name => direct.call({name}, {}));
    for (const {id, params} of [...sent].reverse()) answer(id, {result: {content: [], name: params['name']}});
    assert.deepEqual(
      (await Promise.all(asked)).map(({name}) => name),
      names,
    );
  });

  it('say what each request has to say in the newer protocol, and nothing in the older', () => {
    const params = {name: 'x', _meta: {own: 1}};
    const modern = calls('modern');
    void modern.direct.call(params, {});
    assert.deepEqual(modern.sent[0]?.params, {name: 'x', _meta: {...ENVELOPE, own: 1}});
    const legacy = calls();
    void legacy.direct.call({name: 'x'}, {});
    assert.deepEqual(legacy.sent[0]?.params, {name: 'x'});
  });

  it('leave to the SDK what is for it', () => {
    const {direct, answer} = calls();
    void direct.call({name: 'x'}, {});
    for (const id of [0, 1, 4711]) assert.equal(answer(id, {result: RESULT}), false);
    assert.equal(answer(undefined, {method: 'notifications/message', params: {level: 'info'}}), false);
    const params = {progressToken: 3, progress: 1};
    assert.equal(answer(undefined, {method: 'notifications/progress', params}), false);
    assert.equal(answer(2 ** 30, {method: 'sampling/createMessage', params: {}}), false);
    for (const odd of [undefined, null, 7, 'x', [], {id: 2 ** 30, result: {}}])
      assert.equal(direct.receive(odd), false);
  });

  it('know their numbers as texts, and take no other text for one', async () => {
    const {direct, sent} = calls();
    const seen: Progress[] = [];
    const asked = direct.call({name: 'x'}, {onprogress: progress => seen.push(progress)});
    const id = String(sent[0]?.id);
    const tell = (token: string) =>
      direct.receive({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: {progressToken: token, progress: 1},
      });
    assert.deepEqual([tell(id), tell(`${id}x`), tell('')], [true, false, false]);
    assert.equal(direct.receive({jsonrpc: '2.0', id: `${id}.5`, result: RESULT}), false);
    assert.equal(direct.receive({jsonrpc: '2.0', id, result: RESULT}), true);
    assert.deepEqual(await asked, RESULT);
    assert.deepEqual(seen, [{progress: 1}]);
  });

  it('hear of progress until they end', async () => {
    const {direct, sent, answer} = calls();
    const seen: Progress[] = [];
    const asked = direct.call({name: 'x'}, {onprogress: progress => seen.push(progress)});
    const id = sent[0]?.id;
    assert.deepEqual(sent[0]?.params['_meta'], {progressToken: id});
    const tell = (progress: unknown) =>
      answer(undefined, {
        method: 'notifications/progress',
        params: {progressToken: id, progress, message: 'm'},
      });
    assert.deepEqual([tell(1), tell('much')], [true, true]);
    answer(id, {result: RESULT});
    assert.deepEqual(await asked, RESULT);
    assert.equal(tell(2), true);
    assert.deepEqual(seen, [{progress: 1, message: 'm'}]);
  });

  it('tell the server when nobody waits any more, and pass over what it still says', async () => {
    const {direct, sent, answer} = calls();
    const cancel = new AbortController();
    const asked = direct.call({name: 'x'}, {signal: cancel.signal});
    const id = sent[0]?.id;
    cancel.abort('no longer wanted');
    await assert.rejects(asked, error => error instanceof SdkError && error.message === 'no longer wanted');
    assert.equal(sent[1]?.method, 'notifications/cancelled');
    assert.deepEqual(sent[1]?.params, {requestId: id, reason: 'no longer wanted'});
    assert.equal(answer(id, {result: RESULT}), true);
    assert.equal(sent.length, 2);
  });

  it('are not cancelled once they have been answered', async () => {
    const {direct, sent, answer} = calls();
    const cancel = new AbortController();
    const asked = direct.call({name: 'x'}, {signal: cancel.signal});
    answer(sent[0]?.id, {result: RESULT});
    await asked;
    cancel.abort();
    assert.equal(sent.length, 1);
  });

  it('reject as the server says', async () => {
    const {direct, sent, answer} = calls();
    const asked = direct.call({name: 'x'}, {});
    answer(sent[0]?.id, {error: {code: -32602, message: 'no such tool', data: {a: 1}}});
    await assert.rejects(asked, (error: unknown) => {
      assert.ok(error instanceof ProtocolError);
      assert.deepEqual([error.code, error.message, error.data], [-32602, 'no such tool', {a: 1}]);
      return true;
    });
  });

  it('reject when the connection closes, and from then on', async () => {
    const {direct} = calls();
    const asked = direct.call({name: 'x'}, {});
    direct.close();
    await assert.rejects(asked, /Connection closed/);
    await assert.rejects(direct.call({name: 'x'}, {}), /Not connected/);
  });

  it('reject as the sending does, and are forgotten', async () => {
    const {direct, sent, answer} = calls('legacy', () => Promise.reject(new Error('a broken pipe')));
    await assert.rejects(direct.call({name: 'x'}, {}), /a broken pipe/);
    assert.equal(answer(sent[0]?.id, {result: RESULT}), true);
  });

  const malformed: Readonly<Record<string, object>> = {
    'no result': {},
    'a result that is a list': {result: []},
    'an error that says nothing': {error: {}},
  };
  for (const [what, rest] of Object.entries(malformed))
    it(`reject ${what}`, async () => {
      const {direct, sent, answer} = calls();
      const asked = direct.call({name: 'x'}, {});
      answer(sent[0]?.id, rest);
      await assert.rejects(asked, /Invalid result for tools\/call/);
    });

  it('of the newer protocol reject results that do not say what they are', async () => {
    for (const result of [RESULT, {...RESULT, resultType: 'other'}, {resultType: 'input_required'}]) {
      const {direct, sent, answer} = calls('modern');
      const asked = direct.call({name: 'x'}, {});
      answer(sent[0]?.id, {result});
      await assert.rejects(asked, /Invalid result for tools\/call/);
    }
  });

  it('of the newer protocol are told what the server asks', async () => {
    const result = {resultType: 'input_required', requestState: 's'};
    const {direct, sent, answer} = calls('modern');
    const asked = direct.call({name: 'x'}, {});
    answer(sent[0]?.id, {result});
    assert.deepEqual(await asked, {...result, inputRequests: {}});
  });
});

describe('lines', () => {
  it('are the same however the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({unit: 'grapheme'}).map(text => text.replaceAll('\n', ''))),
        fc.array(fc.integer({min: 1, max: 9})),
        (lines, cuts) => {
          const whole = Buffer.from(lines.map(line => `${line}\n`).join(''));
          const splitter = new LineSplitter(1e6);
          const found: string[] = [];
          for (let at = 0, cut = 0; at < whole.length; cut++) {
            const size = cuts[cut % Math.max(cuts.length, 1)] ?? whole.length;
            for (const line of splitter.split(whole.subarray(at, at + size))) found.push(line.toString());
            at += size;
          }
          assert.deepEqual(
            found,
            lines.map(line => `${line}\n`),
          );
        },
      ),
    );
  });

  it('are not kept without bound', () => {
    const splitter = new LineSplitter(10);
    assert.equal(splitter.split(Buffer.from('123456789\n123456789\n')).length, 2);
    assert.equal(splitter.split(Buffer.from('12345')).length, 0);
    assert.throws(() => splitter.split(Buffer.from('123456')), /larger than 10 bytes/);
  });
});

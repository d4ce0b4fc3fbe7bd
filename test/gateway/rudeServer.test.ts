/** A server over pipes that answers as none should: each call has its own answer or a clear error, and the next call works. */
import assert from 'node:assert/strict';
import {fileURLToPath} from 'node:url';
import {eventually} from '../fixtures/eventually.ts';
import {callOf, fixture, type GatewayFixture, gatewayOf, type TestCall} from './support.ts';

const RUDE = fileURLToPath(new URL('servers/rudeServer.mjs', import.meta.url));

describe('a rude stdio server behind the hub', function () {
  this.timeout(60_000);
  let hub: GatewayFixture;
  before(() => {
    hub = gatewayOf([fixture(RUDE, 'rude')]);
  });
  after(() => hub.stop());

  const call = async (name: string, caller: TestCall = callOf('a')): Promise<string> => {
    const result = await hub.surface.callTool({name: `rude__${name}`, arguments: {}}, caller);
    const {content} = result as {content: {text: string}[]};
    return content.map(({text}) => text).join();
  };

  it('that gives numbers back as texts is understood', async () => {
    const caller = callOf('a', {meta: {progressToken: 'p'}});
    assert.equal(await call('textId', caller), 'a text');
    assert.deepEqual(caller.progressed, [{progress: 1}]);
  });

  it('that answers twice has answered once, and the next call has its own answer', async () => {
    assert.equal(await call('twice'), 'first');
    assert.equal(await call('others'), 'own');
    assert.match(await call('plain'), /^\d+$/);
  });

  it('that floods with progress is heard in order, until its result', async () => {
    const caller = callOf('a', {meta: {progressToken: 'p'}});
    assert.equal(await call('flood', caller), 'flooded');
    await call('plain');
    assert.deepEqual(
      caller.progressed,
      Array.from({length: 5000}, (_, at) => ({progress: at + 1})),
    );
  });

  it('that prints anything between its messages, or in pieces, is understood', async () => {
    assert.equal(await call('garbage'), 'clear');
    assert.equal(await call('pieces'), 'ä€😀');
  });

  it('that answers at large is understood, up to a bound; beyond it the next call has another process', async () => {
    const before = await call('plain');
    assert.equal((await call('large')).length, 30 * 1024 ** 2);
    assert.equal(await call('plain'), before);
    await assert.rejects(call('tooLarge'), /whether it had an effect is not known/);
    await eventually(async () => assert.notEqual(await call('plain'), before));
  });

  it('that ends in the midst of an answer has its calls say so, and the next has another process', async () => {
    const before = await call('plain');
    await assert.rejects(
      call('midLine'),
      /ended in the midst of the call .*whether it had an effect is not known/,
    );
    await eventually(async () => assert.notEqual(await call('plain'), before));
  });

  it('whose errors are none is told from one that failed', async () => {
    await assert.rejects(call('noError'), /Invalid result for tools\/call/);
    await assert.rejects(call('both'), /both/);
  });
});

/** An agent that leaves commands unanswered gets no work until it answers a check. */
import assert from 'node:assert/strict';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import {AgentBreakers} from '../../coordinator/pool/agentBreakers.ts';
import {ProtocolError} from '../../coordinator/protocol/errors.ts';
import {eventually} from '../fixtures/eventually.ts';

const unanswered = (): Promise<never> => Promise.reject(new ProtocolError('timeout', 'no answer'));
const refused = (): Promise<never> => Promise.reject(new ProtocolError('draining', 'no'));
const gone = (): Promise<never> => Promise.reject(new ProtocolError('agentDisconnected', 'gone'));

describe("agents' circuit breakers", () => {
  let breakers: AgentBreakers;
  let changes: string[];

  beforeEach(() => {
    changes = [];
    breakers = new AgentBreakers(silentLogger, {failures: 3, tryAgainMs: 30});
    breakers.onChanged(agentId => changes.push(`${agentId} ${breakers.troubleOf(agentId) ?? 'well'}`));
  });
  afterEach(() => breakers.dispose());

  const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

  it('open after three commands in a row without an answer, and close with a check that is answered', async () => {
    for (let n = 0; n < 2; n++) breakers.observe('a-1', unanswered());
    await turn();
    assert.deepEqual([breakers.troubleOf('a-1'), breakers.isSuspect('a-1')], [undefined, true]);
    breakers.observe('a-1', unanswered());
    await turn();
    assert.deepEqual(changes, ['a-1 3 commands in a row were not answered']);
    assert.equal(breakers.troubleOf('a-2'), undefined);

    let asked = 0;
    const ask = (): Promise<string> => Promise.resolve(`answer ${++asked}`);
    await assert.rejects(breakers.check('a-1', ask), 'too soon');
    assert.equal(asked, 0);
    await eventually(async () => assert.equal(await breakers.check('a-1', ask), 'answer 1'));
    assert.deepEqual(changes.slice(1), ['a-1 well']);
    assert.equal(breakers.isSuspect('a-1'), false);
  });

  it('stay open when the check is not answered either', async () => {
    for (let n = 0; n < 3; n++) await assert.rejects(breakers.check('a-1', unanswered));
    await eventually(() => assert.rejects(breakers.check('a-1', unanswered), /no answer/));
    assert.match(breakers.troubleOf('a-1') ?? '', /not answered/);
  });

  it('count what the agent answers as an answer, and nothing of one that is not connected', async () => {
    for (let n = 0; n < 10; n++) {
      breakers.observe('a-1', refused());
      breakers.observe('a-1', gone());
    }
    await turn();
    assert.deepEqual([changes, breakers.isSuspect('a-1')], [[], false]);
  });

  it('begin anew with an agent that comes anew', async () => {
    for (let n = 0; n < 3; n++) await assert.rejects(breakers.check('a-1', unanswered));
    breakers.forget('a-1');
    assert.equal(breakers.troubleOf('a-1'), undefined);
    assert.equal(await breakers.check('a-1', () => Promise.resolve('yes')), 'yes');
  });
});

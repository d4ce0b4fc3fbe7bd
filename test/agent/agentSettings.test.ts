/** Settings of an agent as its command line gives them. */
import assert from 'node:assert/strict';
import {AgentSettings, parseAgentSettings} from '../../coordinator/agent/agentSettings.ts';

describe('settings of an agent', () => {
  it('come from pairs, the last one of a name counts', () => {
    assert.deepEqual(parseAgentSettings(['flushMs=5', ' cancelGraceMs = 60000', 'flushMs=7']), {
      flushMs: 7,
      cancelGraceMs: 60_000,
    });
    assert.deepEqual(parseAgentSettings([]), {});
  });

  for (const [pair, message] of [
    ['flushMs', /^--set: "flushMs" is not NAME=VALUE$/],
    ['=5', /is not NAME=VALUE/],
    ['flushMs=soon', /^--set: flushMs: /],
    ['flushMs=', /^--set: flushMs: /],
    ['batchEvents=0', /^--set: batchEvents: /],
    ['toString=1', /^--set: an agent has no setting "toString"$/],
  ] as const)
    it(`are refused with their name: ${pair}`, () => {
      assert.throws(() => parseAgentSettings([pair]), {code: 'config', message});
    });

  it('are listed when one is not known', () => {
    assert.throws(
      () => parseAgentSettings(['flush=5']),
      (error: {hint?: string}) => Object.keys(AgentSettings.shape).every(name => error.hint?.includes(name)),
    );
  });
});

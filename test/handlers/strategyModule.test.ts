/** Strategies of a module of one's own, in a real thread: what they answer, and what becomes of those that hang, end or are none. */
import assert from 'node:assert/strict';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {placementRule} from '../../coordinator/balancing/placementRules.ts';
import {isConsulted} from '../../coordinator/balancing/strategy.ts';
import {openStrategyModule} from '../../coordinator/handlers/strategyModule.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {Candidate} from '../../coordinator/protocol/strategy.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import {specOf} from '../tasks/leadHarness.ts';

const MODULE = `
let asked = 0;
export default [
  {name: 'test-last', optimize: async (candidates, task) => candidates.toReversed().map(({instance}, at) => ({
    agentId: instance.id, taskId: task.id, score: -at, features: {asked: ++asked},
  }))},
  {name: 'test-odd', async optimize(candidates, {title}) {
    if (title === 'loop') for (;;);
    if (title === 'exit') process.exit(3);
    if (title === 'throw') throw new Error('it threw');
    if (title === 'secret') throw new Error(JSON.stringify(process.env));
    return 'nonsense';
  }},
];
`;

describe('a module of strategies', () => {
  let folder: string;
  let end: (() => Promise<void>) | undefined;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'mcpx-strategies-'));
  });
  after(() => rmSync(folder, {recursive: true, force: true}));
  afterEach(async () => {
    await end?.();
    end = undefined;
  });

  async function open(text: string, timeoutMs = 60_000): Promise<void> {
    const file = path.join(folder, `m${Math.floor(systemClock.now() * 1000)}.mjs`);
    writeFileSync(file, text);
    end = await openStrategyModule({file, clock: systemClock, logger: silentLogger, timeoutMs});
  }
  const candidates = ['a', 'b'].map(id => ({instance: {id}}) as Candidate);
  const consult = (name: string, title = '') => {
    const rule = placementRule(name);
    assert.ok(rule && isConsulted(rule));
    return rule.consult(candidates, specOf({id: 't', title}));
  };
  const ids = async () => (await consult('test-last')).map(({agentId}) => agentId);

  it('is known by the names of its strategies while it is open, and ranks', async () => {
    await open(MODULE);
    assert.deepEqual(await ids(), ['b', 'a']);
    await end?.();
    assert.equal(placementRule('test-last'), undefined);
  });

  it('may be the one of the examples', async () => {
    const file = fileURLToPath(new URL('../../examples/strategy/quiet.mjs', import.meta.url));
    end = await openStrategyModule({file, clock: systemClock, logger: silentLogger, timeoutMs: 60_000});
    const rule = placementRule('quietest');
    assert.ok(rule && isConsulted(rule));
    const agent = (id: string, running: number) =>
      ({instance: {id}, slots: 2, running, prediction: {durationMs: 1, success: 1}}) as Candidate;
    const ranked = await rule.consult([agent('busy', 2), agent('idle', 0)], specOf({id: 't'}));
    assert.deepEqual(
      ranked.map(({agentId}) => agentId),
      ['idle', 'busy'],
    );
  });

  it('is told apart from its failures, and goes on after them', async () => {
    await open(MODULE);
    await assert.rejects(consult('test-odd', 'throw'), /it threw/);
    await assert.rejects(consult('test-odd'));
    await assert.rejects(consult('test-odd', 'exit'), /its thread ended with 3/);
    assert.deepEqual(await ids(), ['b', 'a']);
  });

  it('sees nothing of the environment of the coordinator', async () => {
    await open(MODULE);
    await assert.rejects(consult('test-odd', 'secret'), ({message}: Error) => message === '{}');
  });

  it('is begun anew when it hangs, while this thread goes on', async () => {
    await open(MODULE, 50);
    await assert.rejects(consult('test-odd', 'loop'), /it answered nothing any more/);
    assert.deepEqual(await ids(), ['b', 'a']);
  });

  for (const [what, text, why] of [
    ['has no strategy', 'export default {name: 1};', /not a strategy/],
    ['cannot be read', 'export default {', /Unexpected|SyntaxError/],
    [
      'takes a name that there is',
      "export default {name: 'round-robin', optimize: async () => []};",
      /registered already/,
    ],
  ] as const)
    it(`is refused where it ${what}`, async () => {
      await assert.rejects(open(text), error => isCoordinatorError(error) && why.test(error.message));
    });
});

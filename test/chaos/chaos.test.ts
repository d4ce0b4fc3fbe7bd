/** Two seeds of chaos with shortened timeouts, and the long stop of a coordinator. `npm run chaos` runs more seeds with the real ones. */
import assert from 'node:assert/strict';
import {describeFault, drawFaults, type Fault, QUICK_TEMPO} from './faults.ts';
import type {Outcome} from './outcome.ts';
import {play} from './scenario.ts';

/** Together they have six of the nine kinds. `MCPX_CHAOS_SEED` names another first one. */
const SEEDS = [Number(process.env['MCPX_CHAOS_SEED'] ?? 1), 5];
const LONG_PAUSE_MS = 20_000;

describe('a plan under faults', function () {
  this.timeout(240_000);
  let quiet: Outcome;

  before(async () => {
    quiet = await play({tempo: QUICK_TEMPO, faults: []});
  });

  for (const seed of SEEDS) {
    const faults = drawFaults(seed);
    it(`ends as a quiet run does: seed ${seed}: ${faults.map(describeFault).join('; ')}`, async () => {
      await play({tempo: QUICK_TEMPO, faults, quiet, keep: true});
    });
  }

  for (const release of ['during', 'after'] as const) {
    it(`goes on after a stop of the coordinator of many leases, work ending ${release} it: nothing runs or costs twice`, async () => {
      const pause: Fault = {
        kind: 'pauseCoordinator',
        afterMs: 300,
        target: 'holder',
        release,
        restartMs: 0,
        livesMs: [],
      };
      const tempo = {...QUICK_TEMPO, pauseMs: LONG_PAUSE_MS};
      const outcome = await play({tempo, faults: [pause], quiet, keep: true});
      assert.deepEqual(attemptsByTask(outcome), attemptsByTask(quiet));
      assert.equal(outcome.state.session?.spentUsd.toFixed(9), quiet.state.session?.spentUsd.toFixed(9));
      assert.ok([...outcome.state.tasks.values()].every(task => task.losses === 0));
    });
  }
});

function attemptsByTask({state}: Outcome): Record<string, number> {
  const sorted = [...state.tasks.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return Object.fromEntries(sorted.map(task => [task.id, task.attempts]));
}

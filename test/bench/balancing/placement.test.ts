/** What the tables of the benchmark say of placement, held to on small worlds: the same seed gives the same numbers everywhere. */
import assert from 'node:assert/strict';
import {drawWorkflows} from './families.ts';
import {type GraphPolicy, measureGraphs} from './graphPart.ts';
import {type OpenCase, runOpen} from './openPart.ts';
import {combine} from './rows.ts';

const BUSY: OpenCase = {name: '85%', load: 0.85, alike: false};
const FULL: OpenCase = {name: '95%', load: 0.95, alike: false};
const TASKS = 2500;
const SEED = 1;

describe('placement on open arrivals', () => {
  const late = runOpen(BUSY, 'round-robin, late', SEED, TASKS);
  const learned = runOpen(BUSY, 'ai-optimized', SEED, TASKS);

  it('ai-optimized beats late round-robin in mean and tail, within its share of wasted work', () => {
    assert.ok(learned.p99Ms <= 0.65 * late.p99Ms, `${learned.p99Ms} ${late.p99Ms}`);
    assert.ok(learned.meanMs <= 0.85 * late.meanMs, `${learned.meanMs} ${late.meanMs}`);
    assert.ok(learned.wasted <= 0.2, `${learned.wasted}`);
  });

  it('ai-optimized comes near what it would do if it knew the agents', () => {
    const oracle = runOpen(BUSY, 'oracle', SEED, TASKS);
    assert.ok(learned.p99Ms <= 1.4 * oracle.p99Ms, `${learned.p99Ms} ${oracle.p99Ms}`);
  });

  it('a central queue beats queues of agents’ own that are filled in turns', () => {
    const early = runOpen(BUSY, 'round-robin, early', SEED, TASKS);
    assert.ok(late.meanMs <= 0.5 * early.meanMs, `${late.meanMs} ${early.meanMs}`);
  });

  it('ai-optimized keeps up where round-robin falls behind', () => {
    const full = runOpen(FULL, 'ai-optimized', SEED, TASKS);
    const fullLate = runOpen(FULL, 'round-robin, late', SEED, TASKS);
    assert.ok(full.meanMs <= 0.85 * fullLate.meanMs, `${full.meanMs} ${fullLate.meanMs}`);
  });
});

describe('placement of graphs', () => {
  const results = measureGraphs({
    workflows: drawWorkflows(1).filter(({name}) => /^(?:epigenomics|fork-join|layered)/.test(name)),
    seeds: [1],
  });
  const stretch = (mode: 'exact' | 'noisy', policy: GraphPolicy): number =>
    combine(
      'geometric',
      (results.get(mode)?.get(policy) ?? []).map(result => result.stretch),
    );

  it('no run ends before the bound', () => {
    for (const ofMode of results.values())
      for (const runs of ofMode.values())
        for (const run of runs) assert.ok(run.stretch >= 1, JSON.stringify(run));
  });

  it('what earlier runs taught brings exact durations near the best static plan', () => {
    const warm = stretch('exact', 'ai-optimized, warm');
    assert.ok(warm <= 1.25 * stretch('exact', 'HEFT with true costs, static'), `${warm}`);
    assert.ok(warm <= stretch('exact', 'ai-optimized, cold'));
    assert.ok(warm <= 0.8 * stretch('exact', 'FIFO + round-robin, late'));
  });

  it('a fixed plan suffers most when durations and agents are rough', () => {
    const loss = (policy: 'HEFT with true costs, static' | 'ai-optimized, warm'): number =>
      stretch('noisy', policy) / stretch('exact', policy);
    assert.ok(loss('ai-optimized, warm') < loss('HEFT with true costs, static'));
    assert.ok(stretch('noisy', 'ai-optimized, warm') < stretch('noisy', 'FIFO + round-robin, late'));
  });
});

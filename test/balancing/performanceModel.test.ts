/** What is learned of agents: that it finds differences, forgets them, is not led astray by one hung try, and survives being stored. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {restoreModel, saveModel} from '../../coordinator/balancing/modelState.ts';
import {type Observation, PerformanceModel} from '../../coordinator/balancing/performanceModel.ts';
import {LearnedState} from '../../coordinator/protocol/model/learned.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';

const HOUR = 3_600_000;

function observed(agentId: string, durationMs: number, patch: Partial<Observation> = {}): Observation {
  return {
    agentId,
    taskClass: 'build',
    estimateMs: 10_000,
    durationMs,
    outcome: 'succeeded',
    proficiency: 0,
    ...patch,
  };
}

/** Noisy tries whose median is `factor` times the estimate. */
function teach(model: PerformanceModel, agentId: string, factor: number, tries: number, from = 0): void {
  const random = seededRandom(agentId.length + tries);
  for (let index = 0; index < tries; index += 1) {
    const noise = Math.exp((random.next() + random.next() + random.next() - 1.5) * 0.8);
    model.observe(observed(agentId, 10_000 * factor * noise), from + index * 60_000);
  }
}

describe('Performance model', () => {
  it('tells a fast agent from a slow one, and expects of a new one what is usual', () => {
    const model = new PerformanceModel();
    for (let round = 0; round < 30; round += 1) {
      teach(model, 'fast', 0.5, 1, round * 60_000);
      teach(model, 'slow', 2, 1, round * 60_000);
      teach(model, 'usual', 1, 1, round * 60_000);
    }
    const ratio = (id: string): number => model.predict(id, 'build', 10_000, 0, 30 * 60_000).ratio;
    assert.ok(ratio('fast') < 0.7, `fast ${ratio('fast')}`);
    assert.ok(ratio('slow') > 1.4, `slow ${ratio('slow')}`);
    assert.equal(ratio('new'), 1);
    assert.equal(model.predict('fast', 'build', 10_000, 0, 0).n, 30);
  });

  it('trusts estimates as far as they tell the tasks of a class apart', () => {
    const random = seededRandom(7);
    const normal = (): number => 2 * (random.next() + random.next() + random.next() - 1.5);
    const guessing = new PerformanceModel();
    const exact = new PerformanceModel();
    for (let round = 0; round < 400; round += 1) {
      const size = 10_000 * Math.exp(0.4 * normal());
      const at = round * 10_000;
      guessing.observe(observed('a', size, {estimateMs: size * Math.exp(0.4 * normal())}), at);
      exact.observe(observed('a', size, {estimateMs: size}), at);
    }
    const spread = (model: PerformanceModel): number =>
      model.typicalMs('build', 20_000, 4_000_000) / model.typicalMs('build', 5000, 4_000_000);
    assert.ok(spread(guessing) > 1.5 && spread(guessing) < 2.8, `${spread(guessing)}`);
    assert.ok(Math.abs(spread(exact) - 4) < 0.3, `${spread(exact)}`);
  });

  it('knows an agent that is good at one class only', () => {
    const model = new PerformanceModel();
    for (let round = 0; round < 40; round += 1)
      for (const id of ['a', 'b'])
        for (const taskClass of ['build', 'review']) {
          const factor = id === 'a' && taskClass === 'review' ? 0.4 : 1;
          model.observe(observed(id, 10_000 * factor, {taskClass}), round * 60_000);
        }
    const at = 40 * 60_000;
    const better =
      model.predict('a', 'review', 10_000, 0, at).ratio / model.predict('b', 'review', 10_000, 0, at).ratio;
    const same =
      model.predict('a', 'build', 10_000, 0, at).ratio / model.predict('b', 'build', 10_000, 0, at).ratio;
    assert.ok(better < 0.65, `review ${better}`);
    assert.ok(same > 0.8, `build ${same}`);
  });

  it('forgets with time what it learned of an agent', () => {
    const model = new PerformanceModel();
    teach(model, 'agent', 3, 20);
    const now = model.predict('agent', 'other', 10_000, 0, 20 * 60_000).ratio;
    const later = model.predict('agent', 'other', 10_000, 0, 400 * HOUR).ratio;
    assert.ok(now > 1.2 && Math.abs(Math.log(later)) < 0.05, `${now}, ${later}`);
  });

  it('moves by no more than a bounded step for one try that hung', () => {
    const hung = new PerformanceModel();
    const longer = new PerformanceModel();
    hung.observe(observed('agent', 1e9), 0);
    longer.observe(observed('agent', 1e12), 0);
    assert.equal(
      hung.predict('agent', 'build', 1, 0, 0).ratio,
      longer.predict('agent', 'build', 1, 0, 0).ratio,
    );
  });

  it('takes a stopped try for a lower bound: one that was stopped early says nothing', () => {
    const model = new PerformanceModel();
    teach(model, 'agent', 1, 10);
    const before = model.predict('agent', 'build', 10_000, 0, HOUR);
    model.observe(observed('agent', 10, {outcome: 'stopped'}), HOUR);
    assert.deepEqual(model.predict('agent', 'build', 10_000, 0, HOUR), before);
    model.observe(observed('agent', 200_000, {outcome: 'stopped'}), HOUR);
    assert.ok(model.predict('agent', 'build', 10_000, 0, HOUR).ratio > before.ratio);
  });

  it('learns where tries fail, and keeps others out of it', () => {
    const model = new PerformanceModel();
    for (let index = 0; index < 40; index += 1) {
      model.observe(observed('bad', 10_000, {outcome: index % 2 === 0 ? 'failed' : 'succeeded'}), index);
      model.observe(observed('good', 10_000), index);
    }
    assert.ok(model.failureRate('bad', 'build') > 0.35);
    assert.ok(model.failureRate('good', 'build') < 0.15);
  });

  it('predicts positive durations and probabilities, whatever it sees, and the same after being stored', () => {
    const shape = fc.record({
      agentId: fc.constantFrom('a', 'b', 'c'),
      taskClass: fc.constantFrom('x', 'y'),
      estimateMs: fc.integer({min: 1, max: 1e7}),
      durationMs: fc.integer({min: 0, max: 1e8}),
      outcome: fc.constantFrom('succeeded' as const, 'failed' as const, 'stopped' as const),
      proficiency: fc.constantFrom(-1, 0, 1),
    });
    fc.assert(
      fc.property(fc.array(shape, {maxLength: 60}), observations => {
        const model = new PerformanceModel();
        observations.forEach((each, index) => {
          model.observe(each, index * 30_000);
        });
        const stored = LearnedState.parse(JSON.parse(JSON.stringify(saveModel(model))));
        const restored = restoreModel(stored);
        for (const id of ['a', 'b', 'c', 'new'])
          for (const taskClass of ['x', 'y', 'z']) {
            const now = model.predict(id, taskClass, 1000, 1, 2e6);
            const then = restored.predict(id, taskClass, 1000, 1, 2e6);
            assert.ok(now.durationMs > 0 && Number.isFinite(now.durationMs));
            assert.ok(now.success > 0 && now.success < 1 && now.doubt >= 0);
            assert.ok(Math.abs(Math.log(now.durationMs / then.durationMs)) < 0.01);
            assert.ok(Math.abs(now.success - then.success) < 0.01);
            assert.equal(now.n, then.n);
          }
      }),
      {numRuns: 60},
    );
  });
});

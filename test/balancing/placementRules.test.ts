/** The placement rules: order, explanation, and that nothing else decides. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  CapabilityWeightedLoadBalancer,
  capabilityMatch,
} from '../../coordinator/balancing/capabilityWeighted.ts';
import {placementRule, placementRuleNames} from '../../coordinator/balancing/placementRules.ts';
import {RoundRobinLoadBalancer} from '../../coordinator/balancing/roundRobin.ts';
import type {Candidate} from '../../coordinator/balancing/strategy.ts';
import {PROFICIENCY_LEVELS} from '../../coordinator/protocol/capability.ts';
import {specOf} from '../tasks/leadHarness.ts';
import {agentRecord} from '../tasks/nodes.ts';

function candidate(id: string, patch: Partial<Candidate> = {}, capabilities: object[] = []): Candidate {
  const {instance} = agentRecord(id, {}, {}, {capabilities});
  return {
    instance,
    running: 0,
    slots: 2,
    localInputs: 0,
    lastPlaced: 0,
    nearBytes: 0,
    farBytes: 0,
    warm: true,
    prediction: {durationMs: 1000, success: 1, ratio: 1, doubt: 0, n: 0},
    ...patch,
  };
}

const security = (proficiencyLevel: string): object[] => [{domain: 'security', proficiencyLevel}];
const task = specOf({id: 'one', dependsOn: ['x', 'y'], requires: {capabilities: [{domain: 'security'}]}});

describe('Placement rules', () => {
  it('are known by name', () => {
    assert.deepEqual(placementRuleNames(), [
      'round-robin',
      'capability-weighted',
      'geographic-affinity',
      'ai-optimized',
    ]);
    assert.equal(placementRule('oracle'), undefined);
    assert.equal(placementRule('round-robin')?.name, 'round-robin');
  });

  it('rank every candidate once, best first, the given order among equals', () => {
    const shape = fc.record({
      running: fc.integer({min: 0, max: 1}),
      localInputs: fc.integer({min: 0, max: 2}),
      lastPlaced: fc.nat({max: 5}),
    });
    fc.assert(
      fc.property(
        fc.array(shape, {maxLength: 8}),
        fc.constantFrom(...placementRuleNames()),
        (shapes, name) => {
          const candidates = shapes.map((one, index) => candidate(`a-${index}`, one));
          const ranked = placementRule(name)?.rank(candidates, task) ?? [];
          assert.deepEqual(
            ranked.map(one => one.agentId).sort(),
            candidates.map(one => one.instance.id).sort(),
          );
          ranked.slice(1).forEach((one, index) => {
            const before = ranked[index];
            assert.ok(before && before.score >= one.score);
            if (before.score === one.score) assert.ok(before.agentId < one.agentId);
          });
        },
      ),
      {numRuns: 100},
    );
  });

  it('round-robin picks who waited longest', async () => {
    const candidates = [
      candidate('a-1', {lastPlaced: 7}),
      candidate('a-2', {lastPlaced: 3}),
      candidate('a-3', {lastPlaced: 5}),
    ];
    const assignments = await new RoundRobinLoadBalancer().optimize(candidates, task);
    assert.deepEqual(
      assignments.map(one => [one.agentId, one.taskId]),
      [
        ['a-2', 'one'],
        ['a-3', 'one'],
        ['a-1', 'one'],
      ],
    );
  });

  it('capability-weighted puts ability before free slots, and free slots before locality', async () => {
    const strategy = new CapabilityWeightedLoadBalancer();
    const best = async (...candidates: Candidate[]): Promise<string | undefined> =>
      (await strategy.optimize(candidates, task))[0]?.agentId;
    const expert = candidate('expert', {running: 1}, security('specialist'));
    const free = candidate('free', {}, security('basic'));
    assert.equal(await best(free, expert), 'expert');
    const busyLocal = candidate('local', {running: 1, localInputs: 1}, security('basic'));
    assert.equal(await best(busyLocal, free), 'free');
    const local = candidate('local', {localInputs: 1}, security('basic'));
    assert.equal(await best(free, local), 'local');
  });

  it('rates the declared proficiency between 0 and 1', () => {
    const ratings = PROFICIENCY_LEVELS.map(level =>
      capabilityMatch(candidate('a', {}, security(level)), task),
    );
    assert.deepEqual(ratings, [0.25, 0.5, 0.75, 1]);
    assert.equal(capabilityMatch(candidate('a'), task), 0);
    assert.equal(capabilityMatch(candidate('a'), specOf({id: 'any'})), 0);
  });
});

/** Ranks, sinks, bundles and the small pure pieces, against naive versions where there is one. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type {GateEvidence} from '../../../coordinator/protocol/gate.ts';
import type {CommitBundle} from '../../../coordinator/protocol/model/session.ts';
import {Heap} from '../../../coordinator/runtime/heap.ts';
import {boundedEvidence} from '../../../coordinator/tasks/deciding/evidence.ts';
import {replaceTask} from '../../../coordinator/tasks/fleet/fleet.ts';
import {mergeTask, resultTask} from '../../../coordinator/tasks/plan/implicitTasks.ts';
import {dependentsOf, sinks, upwardRanks} from '../../../coordinator/tasks/plan/taskGraph.ts';
import {dependencyBundles, resultBundles} from '../../../coordinator/tasks/results/bundles.ts';
import {expiredSessions} from '../../../coordinator/tasks/sessions/retention.ts';
import {sessionOutcome} from '../../../coordinator/tasks/sessions/sessionOutcome.ts';
import {planOf, specOf} from '../leadHarness.ts';
import {sessionOf, taskOf} from '../nodes.ts';

interface Node {
  readonly id: string;
  readonly dependsOn: string[];
}

const graph: fc.Arbitrary<Node[]> = fc
  .array(fc.array(fc.nat({max: 30}), {maxLength: 4}), {minLength: 1, maxLength: 30})
  .map(edges =>
    edges.map((picks, index) => ({
      id: `t${index}`,
      dependsOn: [...new Set(picks.filter(pick => pick < index).map(pick => `t${pick}`))],
    })),
  );

describe('Task graph', () => {
  it('ranks each task by the longest path from it to the end', () => {
    fc.assert(
      fc.property(graph, fc.infiniteStream(fc.integer({min: 1, max: 100})), (nodes, stream) => {
        const durations = nodes.map(() => stream.next().value as number);
        const naive = (index: number): number =>
          (durations[index] ?? 0) +
          Math.max(
            0,
            ...nodes.flatMap((node, other) => (node.dependsOn.includes(`t${index}`) ? [naive(other)] : [])),
          );
        const ranks = upwardRanks(nodes, index => durations[index] ?? 0);
        nodes.forEach((_, index) => {
          assert.equal(ranks[index], naive(index));
        });
      }),
      {numRuns: 50},
    );
  });

  it('finds dependents and sinks', () => {
    fc.assert(
      fc.property(graph, nodes => {
        const dependents = dependentsOf(nodes);
        nodes.forEach((node, index) => {
          const expected = nodes.flatMap((other, at) => (other.dependsOn.includes(node.id) ? [at] : []));
          assert.deepEqual(dependents[index], expected);
        });
        assert.deepEqual(
          sinks(nodes),
          nodes.filter((_, index) => dependents[index]?.length === 0).map(node => node.id),
        );
      }),
    );
  });

  it('ranks a chain of 100,000 tasks', () => {
    const chain = Array.from({length: 100_000}, (_, index) => ({
      id: `t${index}`,
      dependsOn: index === 0 ? [] : [`t${index - 1}`],
    }));
    assert.equal(upwardRanks(chain, () => 1)[0], 100_000);
  });
});

describe('Bundles', () => {
  const bundleOf = (id: string, prerequisites: string[]): CommitBundle => ({
    commit: id,
    sha256: id,
    bytes: 1,
    prerequisites,
  });

  it('come with everything a task builds on, prerequisites first, nothing twice and nothing else', () => {
    fc.assert(
      fc.property(graph, fc.nat(), (nodes, pick) => {
        const byId = new Map(nodes.map(node => [node.id, node]));
        const target = (nodes[pick % nodes.length] as Node).id;
        const workspace = {repositoryId: 'r', commit: 'base', bundles: [bundleOf('base', [])]};
        const sources = (id: string) => {
          const node = byId.get(id);
          const result = {
            summary: '',
            commit: id,
            bundle: bundleOf(id, ['base', ...(node?.dependsOn ?? [])]),
          };
          return node && {needs: node.dependsOn, result};
        };
        const ancestors = (id: string): string[] =>
          (byId.get(id)?.dependsOn ?? []).flatMap(need => [need, ...ancestors(need)]);
        const bundles = dependencyBundles(workspace, sources, target);
        const commits = bundles.map(bundle => bundle.commit);
        assert.deepEqual([...commits].sort(), ['base', ...new Set(ancestors(target))].sort());
        bundles.forEach((bundle, index) => {
          for (const needed of bundle.prerequisites)
            assert.ok(commits.indexOf(needed) < index || needed === bundle.commit);
        });
        assert.equal(resultBundles(workspace, sources, target).at(-1)?.commit, target);
      }),
      {numRuns: 50},
    );
  });

  it('follow a chain of 100,000 tasks', () => {
    const sources = (id: string) => {
      const index = Number(id);
      return {
        needs: index === 0 ? [] : [String(index - 1)],
        result: {summary: '', commit: id, bundle: bundleOf(id, [])},
      };
    };
    assert.equal(dependencyBundles(undefined, sources, '100000').length, 100_000);
  });
});

describe('Heap', () => {
  it('gives its members in order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), numbers => {
        const heap = new Heap<number>((a, b) => a < b);
        for (const number of numbers) heap.push(number);
        const popped = numbers.map(() => heap.pop());
        assert.deepEqual(
          popped,
          [...numbers].sort((a, b) => a - b),
        );
        assert.equal(heap.pop(), undefined);
      }),
    );
  });
});

describe('Evidence', () => {
  it('keeps the end of outputs, more of failures, within a bound whatever the gates say', () => {
    const text = fc.string({maxLength: 100, unit: 'binary'}).map(part => part.repeat(200).slice(0, 8192));
    const one: fc.Arbitrary<GateEvidence> = fc.record({
      gate: fc.constant('g'),
      passed: fc.boolean(),
      exitCode: fc.constant(1),
      output: text,
      durationMs: fc.constant(1),
    });
    fc.assert(
      fc.property(fc.array(one, {maxLength: 32}), evidence => {
        const bounded = boundedEvidence(evidence);
        const total = bounded.reduce((sum, {output}) => sum + output.length, 0);
        assert.ok(total <= 12_000);
        bounded.forEach(({output}, index) => {
          assert.ok(evidence[index]?.output.endsWith(output));
        });
      }),
      {numRuns: 50},
    );
  });
});

describe('Implicit tasks', () => {
  it('merges the sinks in plan order and runs the gates of the plan once', () => {
    const gate = {name: 'g', type: 'command', command: 'x', onFailure: 'retry', timeoutMs: 1} as const;
    const plan = planOf([{id: 'b'}, {id: 'a', dependsOn: ['b']}, {id: 'c'}], {
      workspace: {kind: 'git', setup: [], include: []},
      gates: [gate],
    });
    const result = resultTask(plan);
    assert.deepEqual(result?.dependsOn, ['a', 'c']);
    assert.deepEqual(
      result?.gates.map(one => one.onFailure),
      ['fail'],
    );
  });

  it('tells the merge what each side was for', () => {
    const plan = planOf([
      {id: 'left', work: {kind: 'run', command: 'make left'}},
      {id: 'right', title: 'The right part'},
    ]);
    const commit = 'a'.repeat(40);
    const conflict = {
      paths: ['a', 'b'],
      ours: {taskId: 'left', commit},
      theirs: {taskId: 'right', commit},
    };
    const {work, keepConflicts} = mergeTask(
      plan,
      specOf({id: 'both', dependsOn: ['left', 'right']}),
      conflict,
    );
    assert.ok(work.kind === 'prompt' && keepConflicts);
    assert.match(work.prompt, /It ran: make left/);
    assert.match(work.prompt, /Its title: The right part/);
    assert.match(work.prompt, /- a\n- b\n/);
  });
});

describe('Session outcome', () => {
  it('names what failed and counts what it held back', () => {
    const session = sessionOf(planOf([{id: 'a'}, {id: 'b', dependsOn: ['a']}, {id: 'c'}]));
    const end = (id: string, patch: object): void => {
      const task = taskOf(session, id);
      replaceTask(task, {...task.record, ...patch}, 2);
    };
    end('a', {state: 'failed', failure: {kind: 'exit', message: 'exit code 3'}});
    end('b', {state: 'cancelled', failure: {kind: 'dependency', message: 'a'}});
    end('c', {state: 'succeeded'});
    assert.deepEqual(sessionOutcome(session), {
      state: 'failed',
      failure: '1 of 3 tasks failed: a (exit: exit code 3)\n1 never started because they depend on these',
    });
  });
});

describe('Retention', () => {
  it('lets the oldest ended sessions go, never one that runs', () => {
    const record = (id: string, state: 'running' | 'failed', endedAt?: number) => ({
      ...sessionOf(planOf([{id: 'a'}])).record,
      id,
      state,
      endedAt,
    });
    const all = [
      record('new', 'failed', 30),
      record('runs', 'running'),
      record('old', 'failed', 10),
      record('mid', 'failed', 20),
    ];
    const ids = (keep: number, before: number): string[] =>
      expiredSessions(all, keep, before).map(session => session.id);
    assert.deepEqual(ids(10, 0), []);
    assert.deepEqual(ids(1, 0), ['mid', 'old']);
    assert.deepEqual(ids(10, 20), ['old']);
  });
});

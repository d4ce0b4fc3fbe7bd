/** What the fleet adds to a plan: its words, requirements that nobody meets, the session that shows its states, and its lenses. */
import assert from 'node:assert/strict';
import {AgentRecord} from '../../../coordinator/protocol/model/agent.ts';
import {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import {parsePlan} from '../../../coordinator/protocol/plan/parse.ts';
import {fleetWords} from '../../../extension/plan/fleetWords.ts';
import {planLenses} from '../../../extension/plan/lenses.ts';
import {outlinePlan} from '../../../extension/plan/outline.ts';
import {newestSessionOf} from '../../../extension/plan/planSession.ts';
import {readPlanSyntax} from '../../../extension/plan/planSyntax.ts';
import {unmetRequirements} from '../../../extension/plan/unmetRequirements.ts';

function agent(id: string, region: string, tags: readonly string[], domain: string): AgentRecord {
  return AgentRecord.parse({
    v: 1,
    principal: 'agent',
    instance: {
      id,
      endpoint: `/agents/${id}`,
      capabilities: [{domain, specialization: ['rust'], proficiencyLevel: 'intermediate'}],
      status: 'idle',
      metadata: {
        region,
        version: '1',
        maxConcurrentTasks: 2,
        specializations: ['wasm'],
        performanceMetrics: {},
        tags,
        resources: [{type: 'memory', amount: 4096}],
      },
      healthcheck: {lastSeen: 1, responseTime: 1, errorRate: 0},
    },
    incarnation: 'i1',
    mode: 'internal',
    registeredAt: 1,
  });
}

function session(id: string, name: string, createdAt: number, origin?: string): SessionRecord {
  return SessionRecord.parse({
    v: 1,
    principal: 'person',
    id,
    name,
    state: 'running',
    plan: 'a'.repeat(64),
    ...(origin === undefined
      ? {}
      : {workspace: {repositoryId: 'r', commit: 'c'.repeat(40), bundles: [], origin}}),
    createdAt,
    strategy: 'round-robin',
    spentUsd: 0,
    counts: {total: 1, succeeded: 0, failed: 0, cancelled: 0, running: 1, waiting: 0},
  });
}

const AGENTS = [agent('a-2', 'us', ['gpu'], 'development'), agent('a-1', 'eu', ['gpu', 'linux'], 'analysis')];

describe('words of the fleet', () => {
  it('are each there once, in order', () => {
    assert.deepEqual(fleetWords(AGENTS), {
      capabilities: ['analysis', 'development'],
      specializations: ['rust', 'wasm'],
      regions: ['eu', 'us'],
      tags: ['gpu', 'linux'],
      agents: ['a-1', 'a-2'],
    });
  });
});

describe('requirements of a plan', () => {
  const unmet = (requires: string, agents = AGENTS): string[] => {
    const parsed = parsePlan(`name: a\ntasks:\n  - id: a\n    run: x\n    ${requires}\n`);
    assert.ok(parsed.kind === 'plan', JSON.stringify(parsed));
    return unmetRequirements(parsed.file, agents).map(({kind, word, path}) => {
      assert.ok(parsed.positionOf(path).line === 5);
      return `${kind} ${word}`;
    });
  };

  const CASES: readonly [requires: string, found: readonly string[]][] = [
    ['requires: { capabilities: [development], tags: [linux], region: us }', []],
    ['requires: { capabilities: [security] }', ['capability security']],
    [
      'requires: { capabilities: [{ domain: analysis, proficiencyLevel: expert }] }',
      ['capability analysis expert'],
    ],
    ['requires: { tags: [gpu, arm] }', ['tag arm']],
    ['requires: { region: asia }', ['region asia']],
    ['requires: { specializations: [wasm, rust, go] }', ['specialization go']],
    ['requires: { resources: [{ type: memory, amount: 8192 }] }', ['resource 8192 memory']],
    ['requires: { resources: [{ type: memory, amount: 1024 }] }', []],
    ['affinity: [{ kind: agent, with: [a-3] }]', ['agent a-3']],
    ['affinity: [{ kind: region, with: [asia, eu] }]', []],
    ['affinity: [{ kind: region, with: [asia], strength: prefer }]', []],
  ];
  for (const [requires, found] of CASES)
    it(`${found.length === 0 ? 'are met by' : 'are not met by'} the fleet: ${requires}`, () =>
      assert.deepEqual(unmet(requires), found));

  it('are not judged while no agent is known', () => {
    assert.deepEqual(unmet('requires: { region: asia }', []), []);
  });
});

describe('the session of a plan', () => {
  const plan = {name: 'team', file: '/home/ada/greeter/plans/team.mcpx.yaml'};

  it('is the newest of its name', () => {
    const sessions = [
      session('s1', 'team', 1),
      session('s3', 'team', 3),
      session('s2', 'team', 2),
      session('s4', 'other', 4),
    ];
    assert.equal(newestSessionOf(plan, sessions)?.id, 's3');
    assert.equal(newestSessionOf(plan, []), undefined);
  });

  it('is none that came from another folder', () => {
    const sessions = [
      session('s1', 'team', 1, '/home/ada/greeter'),
      session('s2', 'team', 2, '/home/ada/greeter2'),
      session('s3', 'team', 3, '/home/ada/other'),
    ];
    assert.equal(newestSessionOf(plan, sessions)?.id, 's1');
    sessions.push(session('s4', 'team', 4, 'https://example.com/greeter.git'));
    assert.equal(newestSessionOf(plan, sessions)?.id, 's4');
  });
});

describe('lenses of a plan', () => {
  const text = 'name: team\ntasks:\n  - id: a\n    run: x\n  - id: b\n    run: y\n';
  const document = readPlanSyntax(text);
  assert.ok(document);
  const outline = outlinePlan(document);

  it('offer to run, to rehearse and to draw it', () => {
    assert.deepEqual(
      planLenses(outline, undefined).map(({kind, offset}) => [kind, offset]),
      [
        ['run', 0],
        ['rehearse', 0],
        ['graph', 0],
      ],
    );
  });

  it('show the states of the tasks that have run, each on its own line', () => {
    const lenses = planLenses(outline, {
      sessionId: 's1',
      state: 'running',
      taskState: id => (id === 'b' ? {state: 'verifying', attempts: 2} : undefined),
    });
    assert.deepEqual(lenses.slice(3), [
      {kind: 'session', offset: 0, sessionId: 's1', state: 'running'},
      {
        kind: 'task',
        offset: text.indexOf('id: b'),
        sessionId: 's1',
        taskId: 'b',
        state: 'verifying',
        attempts: 2,
      },
    ]);
  });
});

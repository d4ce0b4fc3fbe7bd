/** The types that were promised by name, with the spelling of every field. */
import assert from 'node:assert/strict';
import type * as z from 'zod';
import {
  AgentCapability,
  KNOWN_DOMAINS,
  PROFICIENCY_LEVELS,
  proficiencyRank,
} from '../../coordinator/protocol/capability.ts';
import {
  AffinityRule,
  CoordinationMetadata,
  DistributionInfo,
  LOAD_BALANCING_STRATEGIES,
  OrchestrationContext,
  ProgressConfig,
  RollbackStrategy,
  SyncPoint,
  TaskPartition,
} from '../../coordinator/protocol/context.ts';
import {QualityGateConfig} from '../../coordinator/protocol/gate.ts';
import {attemptId} from '../../coordinator/protocol/ids.ts';
import {
  ClaudeCodeInstance,
  InstanceMetadata,
  InstanceStatus,
  InstanceStatusValue,
} from '../../coordinator/protocol/instance.ts';

const instance: z.input<typeof ClaudeCodeInstance> = {
  id: 'a-1',
  endpoint: '/agents/a-1',
  capabilities: [
    {
      domain: 'development',
      specialization: ['typescript'],
      proficiencyLevel: 'expert',
      resourceRequirements: [{type: 'memory', amount: 2048}],
    },
  ],
  status: InstanceStatus.IDLE,
  metadata: {
    region: 'eu',
    version: '0.1.0',
    maxConcurrentTasks: 2,
    specializations: ['testing'],
    performanceMetrics: {},
  },
  healthcheck: {lastSeen: 1, responseTime: 12, errorRate: 0.01},
};

const gate: QualityGateConfig = {
  name: 'unit',
  type: 'command',
  command: 'npm test',
  onFailure: 'retry',
  timeoutMs: 1000,
};

const orchestration: OrchestrationContext = {
  sessionId: 's-1',
  executionId: attemptId('s-1', 'build', 1),
  parentTaskId: 'plan',
  coordinatorInstance: 'c-1',
  sharedState: {session: 's-1', revision: 7},
  qualityGates: [gate],
};

const coordination: CoordinationMetadata = {
  dependencies: ['design'],
  synchronizationPoints: [{name: 'ready', participants: ['a', 'b'], timeoutMs: 1000}],
  rollbackStrategy: {scope: 'task', compensate: 'git revert HEAD'},
  progressReporting: {intervalMs: 1000, transcript: true},
};

const distribution: DistributionInfo = {
  taskPartition: {strategy: 'files', index: 0, count: 3, parts: ['a.ts']},
  loadBalancing: 'round-robin',
  affinityRules: [{kind: 'sameAgent', with: ['design'], strength: 'prefer'}],
};

describe('types that were promised', () => {
  for (const [name, schema, value] of [
    ['ClaudeCodeInstance', ClaudeCodeInstance, instance],
    ['OrchestrationContext', OrchestrationContext, orchestration],
    ['CoordinationMetadata', CoordinationMetadata, coordination],
    ['DistributionInfo', DistributionInfo, distribution],
  ] as const) {
    it(`${name} keeps each of its fields`, () => {
      const parsed: unknown = schema.parse(value);
      assertKept(value, parsed, name);
    });
  }

  for (const [name, schema, fields] of [
    ['ClaudeCodeInstance', ClaudeCodeInstance, 'capabilities endpoint healthcheck id metadata status'],
    ['its healthcheck', ClaudeCodeInstance.shape.healthcheck, 'errorRate lastSeen responseTime'],
    ['AgentCapability', AgentCapability, 'domain proficiencyLevel resourceRequirements specialization'],
    [
      'OrchestrationContext',
      OrchestrationContext,
      'coordinatorInstance executionId parentTaskId qualityGates sessionId sharedState',
    ],
    ['SharedStateReference', OrchestrationContext.shape.sharedState, 'revision session'],
    [
      'CoordinationMetadata',
      CoordinationMetadata,
      'dependencies progressReporting rollbackStrategy synchronizationPoints',
    ],
    ['DistributionInfo', DistributionInfo, 'affinityRules loadBalancing taskPartition'],
    ['SyncPoint', SyncPoint, 'name participants timeoutMs'],
    ['RollbackStrategy', RollbackStrategy, 'compensate scope syncPoint'],
    ['ProgressConfig', ProgressConfig, 'intervalMs transcript'],
    ['TaskPartition', TaskPartition, 'count index parts strategy'],
    ['AffinityRule', AffinityRule, 'kind strength with'],
  ] as const) {
    it(`${name} has the fields ${fields}`, () =>
      assert.equal(Object.keys(schema.shape).sort().join(' '), fields));
  }

  it('a gate has a name, a type, what follows its failure, and the fields of its type', () => {
    const fields = QualityGateConfig.options.map(option => [
      option.shape.type.value,
      Object.keys(option.shape)
        .filter(name => !['name', 'type', 'onFailure', 'timeoutMs'].includes(name))
        .sort()
        .join(' '),
    ]);
    assert.deepEqual(Object.fromEntries(fields), {
      command: 'command',
      schema: 'file schema',
      threshold: 'command max min pattern pointer report',
      review: 'model prompt',
      approval: 'message',
    });
    assert.deepEqual(QualityGateConfig.parse(gate), gate);
  });

  it('metadata of an instance holds region, version, maxConcurrentTasks, specializations and performanceMetrics', () => {
    for (const field of [
      'region',
      'version',
      'maxConcurrentTasks',
      'specializations',
      'performanceMetrics',
    ] as const) {
      const {[field]: _, ...without} = instance.metadata;
      assert.ok(!InstanceMetadata.safeParse(without).success, field);
    }
  });

  it('an instance is active, idle, busy, in maintenance, offline or unreachable', () => {
    assert.deepEqual(InstanceStatus, {
      ACTIVE: 'active',
      IDLE: 'idle',
      BUSY: 'busy',
      MAINTENANCE: 'maintenance',
      OFFLINE: 'offline',
      UNREACHABLE: 'unreachable',
    });
    assert.deepEqual([...InstanceStatusValue.options].sort(), Object.values(InstanceStatus).sort());
  });

  it('proficiency rises from basic over intermediate and expert to specialist', () => {
    assert.deepEqual(PROFICIENCY_LEVELS, ['basic', 'intermediate', 'expert', 'specialist']);
    const ranks = PROFICIENCY_LEVELS.map(proficiencyRank);
    assert.deepEqual(
      ranks,
      [...ranks].sort((a, b) => a - b),
    );
    assert.equal(new Set(ranks).size, 4);
  });

  it('four domains are known, and any other is taken', () => {
    assert.deepEqual(KNOWN_DOMAINS, ['servicenow', 'development', 'analysis', 'security']);
    for (const domain of [...KNOWN_DOMAINS, 'gardening'])
      assert.equal(AgentCapability.parse({domain}).domain, domain);
    assert.ok(!AgentCapability.safeParse({domain: ''}).success);
  });

  it('four strategies have names, and others may be registered', () => {
    assert.deepEqual(LOAD_BALANCING_STRATEGIES, [
      'round-robin',
      'capability-weighted',
      'geographic-affinity',
      'ai-optimized',
    ]);
    for (const loadBalancing of [...LOAD_BALANCING_STRATEGIES, 'mine'])
      assert.equal(DistributionInfo.parse({...distribution, loadBalancing}).loadBalancing, loadBalancing);
  });
});

/** Everything in `written` is in `read`; defaults may have been added. */
function assertKept(written: unknown, read: unknown, at: string): void {
  if (written === null || typeof written !== 'object') {
    assert.deepEqual(read, written, at);
    return;
  }
  assert.ok(read !== null && typeof read === 'object', at);
  for (const [key, value] of Object.entries(written))
    assertKept(value, (read as Record<string, unknown>)[key], `${at}.${key}`);
}

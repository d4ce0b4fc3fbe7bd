/** Every MCPX method with its direction, parameters and result: the wire contract in one place. */
import * as z from 'zod';
import {DiscoveryCriteria} from '../instance.ts';
import * as agent from './agent.ts';
import * as attempt from './attempt.ts';
import * as balance from './balance.ts';
import * as cache from './cache.ts';
import * as checkpoint from './checkpoint.ts';
import * as cluster from './cluster.ts';
import * as discovery from './discovery.ts';
import * as distribution from './distribution.ts';
import * as history from './history.ts';
import * as memory from './memory.ts';
import * as mode from './mode.ts';
import * as pool from './pool.ts';
import * as server from './server.ts';
import * as session from './session.ts';
import * as watch from './watch.ts';

/** The command set. More methods exist under `mcpx.`; these names are a promise. */
export const MCPXCommand = {
  ORCHESTRATE_SESSION_START: 'mcpx.orchestrate.session.start',
  ORCHESTRATE_SESSION_END: 'mcpx.orchestrate.session.end',
  ORCHESTRATE_TASK_ASSIGN: 'mcpx.orchestrate.task.assign',
  ORCHESTRATE_TASK_COMPLETE: 'mcpx.orchestrate.task.complete',
  COORDINATE_STATE_SYNC: 'mcpx.coordinate.state.sync',
  COORDINATE_DEPENDENCY_RESOLVE: 'mcpx.coordinate.dependency.resolve',
  COORDINATE_QUALITY_GATE: 'mcpx.coordinate.quality.gate',
  DISTRIBUTE_TASK_SPLIT: 'mcpx.distribute.task.split',
  DISTRIBUTE_LOAD_BALANCE: 'mcpx.distribute.load.balance',
  DISTRIBUTE_RESULT_MERGE: 'mcpx.distribute.result.merge',
  HEALTH_CHECK: 'mcpx.health.check',
  METRICS_REPORT: 'mcpx.metrics.report',
  STATUS_UPDATE: 'mcpx.status.update',
} as const;
export type MCPXCommand = (typeof MCPXCommand)[keyof typeof MCPXCommand];

/**
 * Who may send it: the hub drops what comes from the wrong side. `both` is client or agent to hub as well as hub to agent; `hubToHub` is one
 * coordinator to another of the same store.
 */
export type Direction =
  | 'clientToHub'
  | 'agentToHub'
  | 'peerToHub'
  | 'hubToAgent'
  | 'hubToClient'
  | 'hubToHub'
  | 'both';

export interface MethodSpec<P extends z.ZodType = z.ZodType, R extends z.ZodType = z.ZodType> {
  readonly direction: Direction;
  readonly params: P;
  readonly result: R;
  /** A notification has no answer. */
  readonly notification?: true;
  /** Known by name, answered with `notAvailable` by this version. */
  readonly later?: true;
}

const Empty = z.object({});

export const METHODS = {
  'mcpx.orchestrate.session.start': {
    direction: 'clientToHub',
    params: session.SessionStart,
    result: session.SessionStarted,
  },
  'mcpx.orchestrate.session.end': {
    direction: 'clientToHub',
    params: session.SessionEnd,
    result: session.SessionAnswer,
  },
  'mcpx.orchestrate.task.assign': {
    direction: 'hubToAgent',
    params: attempt.TaskAssign,
    result: attempt.TaskAssigned,
  },
  'mcpx.orchestrate.task.complete': {
    direction: 'agentToHub',
    params: attempt.TaskComplete,
    result: attempt.TaskCompleted,
  },
  'mcpx.coordinate.state.sync': {direction: 'both', params: memory.StateSync, result: memory.StateSynced},
  'mcpx.coordinate.dependency.resolve': {
    direction: 'agentToHub',
    params: attempt.DependencyResolve,
    result: attempt.DependencyResolved,
  },
  'mcpx.coordinate.quality.gate': {
    direction: 'hubToAgent',
    params: attempt.QualityGate,
    result: attempt.QualityGateResult,
  },
  'mcpx.distribute.task.split': {
    direction: 'agentToHub',
    params: attempt.TaskSplitRequest,
    result: attempt.TaskSplitDone,
  },
  'mcpx.distribute.load.balance': {
    direction: 'both',
    params: balance.LoadBalance,
    result: balance.LoadBalanced,
  },
  'mcpx.distribute.result.merge': {
    direction: 'hubToAgent',
    params: attempt.ResultMerge,
    result: attempt.TaskAssigned,
  },
  'mcpx.distribute.plan': {
    direction: 'clientToHub',
    params: distribution.DistributePlan,
    result: distribution.DistributionPlan,
  },
  'mcpx.health.check': {direction: 'both', params: agent.HealthCheck, result: agent.HealthStatus},
  'mcpx.metrics.report': {direction: 'agentToHub', params: agent.MetricsReport, result: Empty},
  'mcpx.status.update': {
    direction: 'agentToHub',
    params: attempt.StatusUpdate,
    result: attempt.StatusUpdated,
  },

  'mcpx.agent.register': {
    direction: 'agentToHub',
    params: agent.AgentRegister,
    result: agent.AgentRegistered,
  },
  'mcpx.agent.goodbye': {direction: 'agentToHub', params: agent.AgentGoodbye, result: Empty},
  'mcpx.agent.kept': {direction: 'agentToHub', params: agent.AgentKept, result: Empty},
  'mcpx.agent.drain': {direction: 'both', params: agent.AgentDrain, result: Empty},
  'mcpx.agent.dial': {direction: 'clientToHub', params: agent.AgentDial, result: Empty},
  'mcpx.agent.remove': {direction: 'clientToHub', params: agent.AgentRemove, result: Empty},
  'mcpx.agent.release': {direction: 'clientToHub', params: agent.AgentRelease, result: Empty},
  'mcpx.agent.history': {
    direction: 'clientToHub',
    params: agent.AgentHistoryRead,
    result: agent.AgentHistories,
  },
  'mcpx.agent.discover': {
    direction: 'clientToHub',
    params: DiscoveryCriteria,
    result: discovery.Discovered,
  },
  'mcpx.agent.announce': {direction: 'clientToHub', params: discovery.ServiceAnnounce, result: Empty},
  'mcpx.pool.status': {direction: 'clientToHub', params: Empty, result: pool.PoolStatus},
  'mcpx.pool.scale': {direction: 'clientToHub', params: pool.PoolScale, result: Empty},
  'mcpx.mode.get': {direction: 'clientToHub', params: mode.ModeGet, result: mode.ModeStatus},
  'mcpx.mode.set': {direction: 'clientToHub', params: mode.ModeSet, result: mode.ModeStatus},
  'mcpx.agent.rateLimited': {direction: 'agentToHub', params: agent.RateLimitReport, result: Empty},
  'mcpx.agent.stopAll': {direction: 'hubToAgent', params: agent.AgentStopAll, result: agent.AgentStoppedAll},
  'mcpx.fleet.stop': {direction: 'clientToHub', params: agent.FleetStop, result: agent.FleetStopped},

  'mcpx.attempt.cancel': {
    direction: 'hubToAgent',
    params: attempt.AttemptCancel,
    result: attempt.AttemptCancelled,
  },
  'mcpx.attempt.release': {
    direction: 'hubToAgent',
    params: attempt.AttemptRelease,
    result: attempt.AttemptReleased,
  },
  'mcpx.attempt.claim': {direction: 'agentToHub', params: attempt.AttemptClaim, result: Empty},
  'mcpx.attempt.token': {
    direction: 'agentToHub',
    params: attempt.AttemptToken,
    result: attempt.AttemptTokenMade,
  },
  'mcpx.attempt.control': {
    direction: 'both',
    params: attempt.AttemptControl,
    result: attempt.AttemptControlled,
  },
  'mcpx.approval.ask': {direction: 'agentToHub', params: attempt.ApprovalAsk, result: attempt.ApprovalAsked},
  'mcpx.question.ask': {direction: 'peerToHub', params: attempt.QuestionAsk, result: attempt.QuestionAsked},
  'mcpx.approval.deliver': {direction: 'hubToAgent', params: attempt.ApprovalDeliver, result: Empty},
  'mcpx.approval.answer': {direction: 'clientToHub', params: watch.ApprovalAnswerRequest, result: Empty},
  'mcpx.checkpoint.save': {direction: 'agentToHub', params: checkpoint.CheckpointSave, result: Empty},
  'mcpx.checkpoint.open': {
    direction: 'agentToHub',
    params: checkpoint.CheckpointOpen,
    result: checkpoint.CheckpointOpened,
  },
  'mcpx.checkpoint.taken': {direction: 'agentToHub', params: checkpoint.CheckpointTaken, result: Empty},
  'mcpx.ref.update': {direction: 'agentToHub', params: attempt.RefUpdate, result: Empty},
  'mcpx.memory.put': {direction: 'peerToHub', params: memory.MemoryPut, result: memory.MemoryPutResult},
  'mcpx.memory.delete': {
    direction: 'peerToHub',
    params: memory.MemoryDelete,
    result: memory.MemoryDeleteResult,
  },
  'mcpx.memory.txn': {direction: 'peerToHub', params: memory.MemoryTxn, result: memory.MemoryTxnResult},
  'mcpx.memory.get': {direction: 'peerToHub', params: memory.MemoryGet, result: memory.MemoryGetResult},
  'mcpx.memory.list': {direction: 'peerToHub', params: memory.MemoryList, result: memory.MemoryListed},
  'mcpx.memory.history': {
    direction: 'peerToHub',
    params: memory.MemoryHistory,
    result: memory.MemoryHistoryResult,
  },
  'mcpx.memory.resolve': {
    direction: 'clientToHub',
    params: memory.MemoryResolve,
    result: memory.MemoryResolved,
  },
  'mcpx.memory.policy': {
    direction: 'clientToHub',
    params: memory.MemoryPolicy,
    result: memory.MemoryPolicyResult,
  },

  'mcpx.cache.list': {direction: 'clientToHub', params: cache.CacheList, result: cache.CacheListed},
  'mcpx.cache.clear': {direction: 'clientToHub', params: cache.CacheClear, result: cache.CacheCleared},
  'mcpx.session.control': {
    direction: 'clientToHub',
    params: session.SessionControl,
    result: session.SessionAnswer,
  },
  'mcpx.watch.open': {direction: 'clientToHub', params: watch.WatchOpen, result: watch.WatchOpened},
  'mcpx.watch.close': {direction: 'clientToHub', params: watch.WatchClose, result: Empty},
  'mcpx.watch.event': {direction: 'hubToClient', params: watch.WatchEvent, result: Empty, notification: true},
  'mcpx.transcript.read': {
    direction: 'clientToHub',
    params: watch.TranscriptRead,
    result: watch.TranscriptWindow,
  },
  'mcpx.transcript.follow': {direction: 'clientToHub', params: watch.TranscriptFollow, result: Empty},
  'mcpx.transcript.events': {
    direction: 'hubToClient',
    params: watch.TranscriptEvents,
    result: Empty,
    notification: true,
  },
  'mcpx.history.read': {
    direction: 'clientToHub',
    params: history.HistoryRead,
    result: history.HistoryWindow,
  },
  'mcpx.history.state': {
    direction: 'clientToHub',
    params: history.HistoryStateAt,
    result: history.HistoryState,
  },
  'mcpx.cluster.info': {direction: 'peerToHub', params: Empty, result: watch.ClusterInfo},
  /** From then on, until the connection closes, the hub tells of every change. */
  'mcpx.cluster.addresses': {direction: 'peerToHub', params: Empty, result: cluster.ClusterAddresses},
  'mcpx.cluster.moved': {
    direction: 'hubToClient',
    params: cluster.ClusterAddresses,
    result: Empty,
    notification: true,
  },
  'mcpx.cluster.deliver': {
    direction: 'hubToHub',
    params: cluster.ClusterDeliver,
    result: cluster.ClusterAnswer,
  },
  'mcpx.cluster.command': {
    direction: 'hubToHub',
    params: cluster.ClusterCommand,
    result: cluster.ClusterAnswer,
  },
  'mcpx.commits.known': {
    direction: 'clientToHub',
    params: watch.KnownCommits,
    result: watch.KnownCommitsResult,
  },
  'mcpx.server.register': {
    direction: 'clientToHub',
    params: server.ServerRegister,
    result: server.ServerRegistered,
  },
  'mcpx.server.remove': {
    direction: 'clientToHub',
    params: server.ServerNamed,
    result: server.ServerRemoved,
  },
  'mcpx.server.list': {
    direction: 'clientToHub',
    params: server.ServerList,
    result: server.ServersListed,
  },
  'mcpx.server.access': {direction: 'clientToHub', params: server.ServerAccess, result: Empty},
  'mcpx.server.login': {
    direction: 'clientToHub',
    params: server.ServerLogin,
    result: server.ServerLoginResult,
  },
  'mcpx.server.logout': {
    direction: 'clientToHub',
    params: server.ServerNamed,
    result: server.ServerLoggedOut,
  },
  'mcpx.server.refresh': {direction: 'clientToHub', params: server.ServerRefresh, result: Empty},
  'mcpx.token.create': {direction: 'clientToHub', params: watch.TokenCreate, result: watch.TokenCreated},
} as const satisfies Readonly<Record<string, MethodSpec>>;

export type Method = keyof typeof METHODS;
/** What the sender writes: defaults may be left out. */
export type ParamsInput<M extends Method> = z.input<(typeof METHODS)[M]['params']>;
export type Params<M extends Method> = z.output<(typeof METHODS)[M]['params']>;
export type ResultInput<M extends Method> = z.input<(typeof METHODS)[M]['result']>;
export type Result<M extends Method> = z.output<(typeof METHODS)[M]['result']>;

export function isMethod(name: string): name is Method {
  return Object.hasOwn(METHODS, name);
}

export function methodSpec(method: Method): MethodSpec {
  return METHODS[method];
}

/** The commands that answer `notAvailable` in this version. */
export const LATER_COMMANDS: readonly Method[] = (Object.keys(METHODS) as Method[]).filter(
  method => methodSpec(method).later,
);

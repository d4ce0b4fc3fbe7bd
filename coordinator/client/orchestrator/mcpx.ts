/** What `import ... from 'mcpx'` gives: the orchestrator, the bridge between MCP and MCPX, and every type that their methods name. */
export {
  type BridgeConnection,
  type BridgeSendOptions,
  type BridgeTarget,
  type ProtocolBridge,
  translateMCPToMCPX,
  translateMCPXToMCP,
} from '../../bridge/protocolBridge.ts';
export type {LogFields, Logger} from '../../observability/logger.ts';
export type {AgentCapability, TaskRequirements} from '../../protocol/capability.ts';
export type {DistributionPlan, PlannedTask} from '../../protocol/commands/distribution.ts';
export type {MemoryEntry} from '../../protocol/commands/memory.ts';
export type {CoordinationMetadata, DistributionInfo, OrchestrationContext} from '../../protocol/context.ts';
export type {MCPMessage, MCPXContext, MCPXMessage} from '../../protocol/envelope.ts';
export {ERROR_CODES, type ErrorName, isProtocolError, ProtocolError} from '../../protocol/errors.ts';
export {type ClaudeCodeInstance, type DiscoveryCriteria, InstanceStatus} from '../../protocol/instance.ts';
export type {AttemptRecord} from '../../protocol/model/attempt.ts';
export type {SessionRecord, SessionState} from '../../protocol/model/session.ts';
export type {Failure, TaskRecord, TaskResult, TaskState} from '../../protocol/model/task.ts';
export type {ProtocolVersion} from '../../protocol/negotiation.ts';
export type {TaskSpecification} from '../../protocol/plan/plan.ts';
export type {AgentAssignment, Candidate, LoadBalancingStrategy, Prediction} from '../../protocol/strategy.ts';
export type {Usage} from '../../protocol/usage.ts';
export {CoordinatorError, type CoordinatorErrorCode, isCoordinatorError} from '../../runtime/errors.ts';
export type {BridgeSettings, McpxBridge} from '../bridge/mcpxBridge.ts';
export type {McpxClient} from '../mcpxClient.ts';
export type {SessionProgress} from '../report/sessionProgress.ts';
export {type ConnectOptions, connect} from './connect.ts';
export type {
  Cancellable,
  DistributedOrchestrator,
  DistributedTask,
  DistributeOptions,
  DistributionRequest,
  DistributionResult,
  RegisterOptions,
  TerminateOptions,
} from './distributedOrchestrator.ts';
export type {ExecutionUpdate} from './executionFeed.ts';
export {McpxOrchestrator} from './mcpxOrchestrator.ts';
export {type OpenBridgeOptions, openBridge} from './openBridge.ts';
export type {OrchestrationResult, TaskOutcome} from './outcome.ts';
export {
  type OrchestrationSession,
  type PlanInput,
  type SessionConfig,
  type TaskInput,
  task,
} from './session.ts';
export type {SharedState, StateUpdate, SyncedAgent, SyncResult} from './sharedState.ts';

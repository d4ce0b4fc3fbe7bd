/** Every command, view, context key and setting that package.json contributes, by name. A test compares the two. */

export const COMMANDS = [
  'startCoordinator',
  'stopCoordinator',
  'connect',
  'addContext',
  'openInBrowser',
  'showLog',
  'runPlan',
  'rehearsePlan',
  'showPlanGraph',
  'newPlan',
  'runGoal',
  'runSelection',
  'openSession',
  'openGraph',
  'openHealth',
  'searchSessions',
  'pauseSession',
  'resumeSession',
  'cancelSession',
  'rollBackSession',
  'setBudget',
  'setStrategy',
  'rebalanceSession',
  'addTask',
  'releaseSession',
  'exportReport',
  'retryTask',
  'retryTaskWithNote',
  'reassignTask',
  'cancelTask',
  'rerunGates',
  'waiveGate',
  'explainTask',
  'attach',
  'sendMessage',
  'interrupt',
  'setModel',
  'setPermissionMode',
  'openWorktree',
  'approve',
  'approveForSession',
  'approveEdited',
  'deny',
  'answer',
  'addAgent',
  'addMachine',
  'drainAgent',
  'undrainAgent',
  'releaseAgent',
  'removeAgent',
  'stopFleet',
  'showDiff',
  'acceptResult',
  'pushResult',
  'openPullRequest',
  'openConflict',
  'openStateValue',
  'newStateKey',
  'showStateHistory',
  'showStateConflict',
  'keepMine',
  'keepTheirs',
  'editStateConflict',
  'addServer',
  'importServers',
  'removeServer',
  'refreshServer',
  'logInServer',
  'logOutServer',
  'allowTool',
  'denyTool',
  'copyToolName',
  'openServerDefinition',
] as const;
export type CommandName = (typeof COMMANDS)[number];

/** As package.json and `executeCommand` know it. */
export function commandId(name: CommandName): string {
  return `mcpx.${name}`;
}

export const VIEWS = {
  sessions: 'mcpx.sessions',
  approvals: 'mcpx.approvals',
  agents: 'mcpx.agents',
  sharedState: 'mcpx.sharedState',
  servers: 'mcpx.servers',
} as const;

/** Set with `setContext`, read by `when` clauses. */
export const CONTEXT_KEYS = {
  /** `off`, `stopped`, `starting`, `connected`, `reconnecting`, `failed`. */
  state: 'mcpx.state',
} as const;

/** Who offers the hub to the editor's own chat. */
export const HUB_PROVIDER = 'mcpx.hub';

/** Type of the web pages' panels. */
export const PAGE_VIEW_TYPE = 'mcpx.page';

/** Schemes of the read-only and editable documents. */
export const SCHEMES = {
  /** `mcpx-memory:/SESSION/KEY.json`: a value of shared memory. */
  memory: 'mcpx-memory',
  /** `mcpx-result:/PATH?…`: a file of a result, read only. */
  result: 'mcpx-result',
  /** `mcpx-placement:/SESSION/TASK.md`: why the attempts of a task ran where they did, read only. */
  placement: 'mcpx-placement',
  /** `mcpx-server:/NAME.json`: how an MCP server is registered, read only. */
  server: 'mcpx-server',
} as const;

/** Settings below `mcpx.` with their types. */
export interface Settings {
  readonly 'coordinator.autoStart': boolean;
  readonly 'coordinator.context': string;
  readonly 'coordinator.lingerMinutes': number;
  readonly 'agents.count': number;
  readonly 'agents.slots': number;
  readonly 'claude.path': string;
  readonly 'run.uncommitted': 'ask' | 'always' | 'never';
  readonly 'accept.mode': 'ask' | 'squash' | 'merge';
  readonly 'notifications.approvals': boolean;
  readonly 'notifications.sessions': boolean;
  readonly 'notifications.agents': boolean;
  readonly 'notifications.overlaps': boolean;
  readonly 'chat.offerHub': boolean;
}

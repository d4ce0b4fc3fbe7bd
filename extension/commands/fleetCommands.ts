/** Every command about what runs and what came of it: sessions, tasks, attempts, what they ask, agents, results, shared memory, MCP servers, coordinators. */
import type {Documents} from '../documents/documents.ts';
import type {Services} from '../services.ts';
import {registerAgentCommands} from './agentCommands.ts';
import {registerApprovalCommands} from './approvalCommands.ts';
import {registerAttemptCommands} from './attemptCommands.ts';
import {registerBalanceCommands} from './balanceCommands.ts';
import {registerContextCommands} from './contextCommands.ts';
import {registerDiffCommands} from './diffCommands.ts';
import {registerResultCommands} from './resultCommands.ts';
import {registerRollbackCommands} from './rollbackCommands.ts';
import {registerServerCommands} from './servers/serverCommands.ts';
import {registerSessionCommands} from './sessionCommands.ts';
import {registerStateCommands} from './stateCommands.ts';
import {registerTaskCommands} from './taskCommands.ts';
import {registerWorktreeCommands} from './worktreeCommands.ts';

export function registerFleetCommands(services: Services, {shown}: Documents): void {
  registerSessionCommands(services);
  registerRollbackCommands(services);
  registerBalanceCommands(services);
  registerTaskCommands(services);
  registerAttemptCommands(services);
  registerWorktreeCommands(services);
  registerApprovalCommands(services);
  registerAgentCommands(services);
  registerResultCommands(services);
  registerStateCommands(services);
  registerServerCommands(services);
  registerContextCommands(services);
  registerDiffCommands(services, shown);
}

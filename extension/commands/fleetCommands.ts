/** Every command about what runs: sessions, tasks, attempts, what they ask, and the agents. */
import type {Services} from '../services.ts';
import {registerAgentCommands} from './agentCommands.ts';
import {registerApprovalCommands} from './approvalCommands.ts';
import {registerAttemptCommands} from './attemptCommands.ts';
import {registerSessionCommands} from './sessionCommands.ts';
import {registerTaskCommands} from './taskCommands.ts';

export function registerFleetCommands(services: Services): void {
  registerSessionCommands(services);
  registerTaskCommands(services);
  registerAttemptCommands(services);
  registerApprovalCommands(services);
  registerAgentCommands(services);
}

/** Which service answers which command of an agent, and what an agent is told without asking. */
import {openCheckpoint} from './openCheckpoint.ts';
import type {Services} from './services.ts';

/** Give every handler before the hub listens. */
export function serveAgents(services: Services): void {
  const {hub, registry, pauses, effects, approvals, usage, transcripts, checkpoints, attemptTokens} =
    services;
  hub.handle('mcpx.agent.register', (params, {principal}) => registry.register(params, principal));
  hub.handle('mcpx.agent.goodbye', (params, {principal}) => registry.goodbye(params, principal));
  hub.handle('mcpx.agent.kept', (params, {principal}) => registry.kept(params, principal));
  hub.handle('mcpx.agent.rateLimited', (params, {principal}) => pauses.rateLimited(params, principal));
  hub.handle('mcpx.metrics.report', async (params, {principal}) => {
    registry.measured(params, principal);
    usage.metrics(params, principal);
    return {};
  });
  hub.handle('mcpx.orchestrate.task.complete', (params, {principal}) => effects.complete(params, principal));
  hub.handle('mcpx.attempt.claim', (params, {principal}) => effects.claim(params, principal));
  hub.handle('mcpx.ref.update', (params, {principal}) => effects.updateRef(params, principal));
  hub.handle('mcpx.checkpoint.save', (params, {principal}) => checkpoints.save(params, principal));
  hub.handle('mcpx.checkpoint.taken', (params, {principal}) => checkpoints.taken(params, principal));
  hub.handle('mcpx.checkpoint.open', (params, {principal}) => openCheckpoint(services, params, principal));
  hub.handle('mcpx.status.update', (params, {principal}) => transcripts.update(params, principal));
  hub.handle('mcpx.approval.ask', (params, {principal}) => approvals.ask(params, principal));
  hub.handle('mcpx.attempt.token', (params, {principal}) => attemptTokens.make(params, principal));
}

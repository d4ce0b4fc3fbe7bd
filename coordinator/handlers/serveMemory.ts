/** The commands of shared memory: who is answered by what, and how a client has replicas brought up to date. */
import type {Params, ResultInput} from '../protocol/commands/table.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {describeError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import type {Services} from './services.ts';

type Sync = Params<'mcpx.coordinate.state.sync'>;
type Synced = ResultInput<'mcpx.coordinate.state.sync'>;

const SYNC_TIMEOUT_MS = 10_000;

/** Give every handler before the hub listens. */
export function serveMemory(services: Services): void {
  const {hub, memory} = services;
  hub.handle('mcpx.memory.put', (params, {principal}) => memory.put(params, principal));
  hub.handle('mcpx.memory.delete', (params, {principal}) => memory.delete(params, principal));
  hub.handle('mcpx.memory.txn', (params, {principal}) => memory.txn(params, principal));
  hub.handle('mcpx.memory.get', (params, {principal}) => memory.get(params, principal));
  hub.handle('mcpx.memory.list', (params, {principal}) => memory.list(params, principal));
  hub.handle('mcpx.memory.history', (params, {principal}) => memory.history(params, principal));
  hub.handle('mcpx.memory.resolve', (params, {principal}) => memory.resolve(params, principal));
  hub.handle('mcpx.memory.policy', (params, {principal}) => memory.policy(params, principal));
  hub.handle('mcpx.coordinate.state.sync', (params, {principal}) =>
    principal.role === 'agent' ? syncReplica(services, params, principal) : syncAgents(services, params),
  );
}

function syncReplica({memory}: Services, {sessionId, replica}: Sync, principal: Principal): Promise<Synced> {
  if (!replica) throw new ProtocolError('invalidParams', 'an agent says what its replica has');
  return memory.sync(sessionId, replica, principal);
}

/** Every agent is asked at once; each is answered for, whatever became of it. */
async function syncAgents(services: Services, {sessionId, targetAgents}: Sync): Promise<Synced> {
  const {store, hub, agents: directory, attempts} = services;
  const channel = hub.agentChannel();
  const prefix = `${sessionId}.`;
  const working = [...directory.all()]
    .map(({id}) => id)
    .filter(id => attempts.attemptsOn(id).some(({attemptId}) => attemptId.startsWith(prefix)));
  const agents = (targetAgents ?? working).map(async agentId => {
    if (!directory.record(agentId)) return {agentId, ok: false, error: `there is no agent ${agentId}`};
    try {
      const {vector} = await channel.send(
        agentId,
        'mcpx.coordinate.state.sync',
        {sessionId},
        {timeoutMs: SYNC_TIMEOUT_MS},
      );
      return {agentId, ok: true, revision: vector.revision};
    } catch (error) {
      return {agentId, ok: false, error: describeError(error)};
    }
  });
  const {incarnation, revision} = store.status();
  return {vector: {store: incarnation, revision, writers: {}}, agents: await Promise.all(agents)};
}

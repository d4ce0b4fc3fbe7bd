/** Which service answers which command of a client, and what is passed on to agents. */

import type {Caller} from '../hub/caller.ts';
import type {Params} from '../protocol/commands/table.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {AgentHistoryRecord} from '../protocol/model/agentHistory.ts';
import {tenantKeys} from '../protocol/model/keys.ts';
import {type CommitBundle, SessionRecord} from '../protocol/model/session.ts';
import {PROTOCOL_VERSION} from '../protocol/version.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import {readRecords} from '../store/records.ts';
import {VERSION} from '../version.ts';
import type {Services} from './services.ts';
import {TranscriptFollowers} from './transcriptFollowers.ts';

/** Give every handler before the hub listens. */
export function serveClients(services: Services, owned: DisposableStore): void {
  const {hub, registry, approvals, transcripts, history, attempts, tokens, identity, ways} = services;
  const {agents, dialled} = services;
  const channel = hub.agentChannel();

  hub.handle('mcpx.approval.answer', (params, {principal}) => approvals.answer(params, principal));
  hub.handle('mcpx.question.ask', (params, {principal}) => approvals.question(params, principal));
  hub.handle('mcpx.agent.drain', (params, {principal}) => registry.drain(params, principal));
  hub.handle('mcpx.agent.release', (params, {principal}) => registry.release(params, principal));
  hub.handle('mcpx.agent.history', (params, {principal}) => histories(services, params, principal.tenant));
  hub.handle('mcpx.agent.dial', (params, {principal}) => dialled.add(params, principal));
  hub.handle('mcpx.agent.remove', (params, {principal}) =>
    registry.remove(params, principal).catch((error: unknown) => {
      // It was dialled in vain.
      if (isProtocolError(error, 'notFound') && dialled.forget(params.agentId)) return {};
      throw error;
    }),
  );
  hub.handle('mcpx.health.check', (params, {principal}) =>
    principal.role === 'agent' ? registry.heartbeat(params, principal) : Promise.resolve(health(services)),
  );
  hub.handle('mcpx.attempt.control', params => {
    const attempt = attempts.get(params.attemptId);
    if (!attempt) throw new ProtocolError('notFound', `attempt ${params.attemptId} is not running`);
    return channel.send(attempt.agentId, 'mcpx.attempt.control', params);
  });
  hub.handle('mcpx.token.create', async (params, {principal}) => {
    const made = await tokens.create({
      tenant: principal.tenant,
      role: params.role,
      ttlSeconds: params.ttlSeconds,
      label: params.label,
      principal,
    });
    return {...made, caPin: identity.authorityPin, url: identity.url()};
  });
  hub.handle('mcpx.transcript.read', async (params, {principal}) => {
    const elsewhere = principal.role === 'peer' ? undefined : await ways.transcripts.read(params);
    return elsewhere ?? transcripts.read(params, principal);
  });
  const followers = owned.add(new TranscriptFollowers(transcripts, ways.transcripts));
  hub.handle('mcpx.transcript.follow', (params, caller) => Promise.resolve(followers.follow(params, caller)));
  hub.handle('mcpx.cluster.info', async (_params, caller) => ({
    ...(await clusterInfo(services, caller)),
    clients: hub.clientCount,
  }));
  hub.handle('mcpx.history.read', async (params, {principal}) => history.readerFor(principal).read(params));
  hub.handle('mcpx.history.state', async (params, {principal}) => history.readerFor(principal).state(params));
  hub.handle('mcpx.commits.known', (params, {principal}) => knownCommits(services, params, principal.tenant));

  owned.add(
    approvals.onAnswered(({agentId, attemptId, approvalId, answer}) => {
      const {coordinator} = agents.live(agentId)?.value ?? {};
      // Whoever has its socket tells it; an agent that is away asks again when it is back.
      if (coordinator !== undefined && coordinator !== identity.coordinator) return;
      channel.send(agentId, 'mcpx.approval.deliver', {attemptId, approvalId, answer}).catch(() => undefined);
    }),
  );
}

function health({store, identity}: Services) {
  const {degraded} = store.status();
  return {
    id: identity.coordinator,
    status: degraded === undefined ? ('ok' as const) : ('degraded' as const),
    detail: degraded,
    at: identity.startedAt,
  };
}

async function clusterInfo({store, ways, identity}: Services, {principal}: Caller) {
  const status = store.status();
  const keys = tenantKeys(principal.tenant);
  const [lives, sessions, lead] = await Promise.all([
    store.range(keys.agentLives),
    store.range(keys.sessions),
    ways.lead.leader(),
  ]);
  return {
    coordinator: identity.coordinator,
    version: VERSION,
    protocol: PROTOCOL_VERSION,
    store: {
      driver: status.driver,
      incarnation: status.incarnation,
      revision: status.revision,
      keys: status.keys,
      bytesOnDisk: status.bytesOnDisk,
      degraded: status.degraded,
    },
    lead,
    startedAt: identity.startedAt,
    agents: lives.kvs.length,
    sessions: sessions.kvs.length,
  };
}

async function histories({store}: Services, {agentIds}: Params<'mcpx.agent.history'>, tenant: string) {
  const {records} = await readRecords(store, AgentHistoryRecord, tenantKeys(tenant).agentHistories);
  const wanted = agentIds && new Set(agentIds);
  const agents = records.flatMap(({value: {agentId, classes}}) =>
    wanted?.has(agentId) === false ? [] : [{agentId, classes}],
  );
  return {agents};
}

/** The first of these commits that an earlier session of the repository started from: its bundles are here. */
async function knownCommits(
  {store}: Services,
  {repositoryId, commits}: Params<'mcpx.commits.known'>,
  tenant: string,
) {
  const {records} = await readRecords(store, SessionRecord, tenantKeys(tenant).sessions);
  const sources = new Map<string, CommitBundle[]>();
  for (const {value} of records) {
    const {workspace} = value;
    if (workspace?.repositoryId === repositoryId && workspace.bundles.length > 0)
      sources.set(workspace.commit, workspace.bundles);
  }
  const known = commits.find(commit => sources.has(commit));
  return known === undefined ? {known: [], bundles: []} : {known: [known], bundles: sources.get(known) ?? []};
}

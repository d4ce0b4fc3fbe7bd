/** MCP servers behind the hub: records followed by the gateway, commands about them, and the surface that their clients see. */
import {type Introspection, MCPServiceDiscovery} from '../discovery/servers/mcpServiceDiscovery.ts';
import {rankServers} from '../discovery/servers/rankServers.ts';
import type {LiveAttempt, LiveAttempts} from '../effects/liveAttempts.ts';
import {EVERYTHING, type Gateway} from '../gateway/gateway.ts';
import {GatewaySurface} from '../gateway/gatewaySurface.ts';
import {CredentialRecords} from '../gateway/oauth/credentialRecords.ts';
import {Logins} from '../gateway/oauth/logins.ts';
import {revokeLogin} from '../gateway/oauth/revocation.ts';
import {capabilitiesOf, failedListsOf, serverInfo} from '../gateway/serverInfo.ts';
import {ServerRecords, type ServerRecordsOptions} from '../gateway/serverRecords.ts';
import type {MCPServerInfo} from '../protocol/commands/server.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {parseAttemptId} from '../protocol/ids.ts';
import type {ServerDefinition, ServerRecord} from '../protocol/model/server.ts';
import type {DisposableStore} from '../runtime/disposable.ts';
import {isCoordinatorError} from '../runtime/errors.ts';
import type {Principal} from '../security/principal.ts';
import {type GatewayGround, makeGateway} from './makeGateway.ts';
import {ServerFiles} from './serverFiles.ts';
import type {Services} from './services.ts';

export interface GatewayServices {
  readonly gateway: Gateway;
  readonly records: ServerRecords;
  readonly surface: GatewaySurface;
  readonly credentials: CredentialRecords;
  readonly logins: Logins;
  discovery(
    principal: Principal,
    options: {replace: boolean; source?: ServerRecord['source']},
  ): MCPServiceDiscovery;
}

export interface GatewayServicesGround extends GatewayGround, ServerRecordsOptions {
  readonly attempts: LiveAttempts;
  readonly owned: DisposableStore;
}

export function makeGatewayServices(ground: GatewayServicesGround): GatewayServices {
  const {attempts} = ground;
  const credentials = ground.owned.add(new CredentialRecords(ground));
  const logins = ground.owned.add(new Logins(ground));
  const gateway = makeGateway(ground, credentials);
  const records = ground.owned.add(new ServerRecords(ground));
  const surface = new GatewaySurface({
    gateway,
    // The Claude Code of an attempt works for that alone.
    contextOf: ({principal: {role, agentId, attempt}}) => ({
      role,
      work: attempt
        ? workOf([{attemptId: attempt.fence.attempt}])
        : workOf(agentId === undefined ? [] : attempts.attemptsOn(agentId)),
    }),
  });
  return {
    gateway,
    records,
    surface,
    credentials,
    logins,
    discovery: (principal, {replace, source}) =>
      new MCPServiceDiscovery({
        variables: gateway.options.variables,
        introspect: definition => introspect(gateway, definition),
        registry: {
          listServers: async () => infos(gateway, records, surface),
          async register(definition, seen) {
            const {record, ended} = await records.put({definition, source, replace}, principal);
            if (ended) void revokeLogin(ended, gateway.options);
            gateway.apply(records.all().map(({definition: other}) => other));
            return {...serverInfo(record, gateway.get(definition.name), () => undefined), ...seen};
          },
        },
      }),
  };
}

/** Give every handler before the hub listens. */
export function serveGateway({hub}: Services, services: GatewayServices): void {
  const {gateway, records, surface} = services;
  hub.handle('mcpx.server.register', async ({definition, check, replace = false}, {principal}) => {
    try {
      const server = await services.discovery(principal, {replace}).registerMCPServer(definition, {check});
      return {server};
    } catch (error) {
      if (!isCoordinatorError(error, 'config')) throw error;
      throw new ProtocolError('invalidParams', `${error.message}${error.hint ? `. ${error.hint}` : ''}`);
    }
  });
  hub.handle('mcpx.server.remove', async ({name}, {principal}) => {
    const ended = await records.remove(name, principal);
    return ended ? {revocation: await revokeLogin(ended, gateway.options)} : {};
  });
  hub.handle('mcpx.server.access', async ({name, access}, {principal}) => {
    await records.allow(name, access, principal);
    return {};
  });
  hub.handle('mcpx.server.list', async ({name, requirements}) => {
    const all = infos(gateway, records, surface).filter(info => name === undefined || info.name === name);
    if (name !== undefined && all.length === 0)
      throw new ProtocolError('notFound', `there is no MCP server ${name}`);
    return {servers: requirements ? rankServers(all, requirements) : all};
  });
  hub.handle('mcpx.server.refresh', async ({name}) => {
    const names = name === undefined ? gateway.all.map(upstream => upstream.name) : [name];
    if (name !== undefined && !gateway.get(name))
      throw new ProtocolError('notFound', `there is no MCP server ${name}`);
    for (const one of names) gateway.refresh(one);
    return {};
  });
}

/** Resolves when records and files are read; servers start beside it. Throws `config` for a file. */
export async function followServers(
  services: GatewayServices,
  {files, coordinator, owned, ...ground}: FollowServers,
): Promise<void> {
  const {gateway, records, credentials} = services;
  const apply = (): void => gateway.apply(records.all().map(({definition}) => definition));
  owned.add(records.onChange(apply));
  // Whoever used it as somebody else is connected anew.
  owned.add(credentials.onLogin(name => gateway.refresh(name)));
  await Promise.all([records.start(), credentials.start()]);
  apply();
  const reader = new ServerFiles({
    ...{...ground, files, coordinator, records},
    onLoginEnded: ended => void revokeLogin(ended, gateway.options),
    register: (definition, source, principal) =>
      services.discovery(principal, {replace: true, source}).registerMCPServer(definition, {check: false}),
  });
  await owned.add(reader).start();
}

export interface FollowServers extends Pick<ServerRecordsOptions, 'tenant' | 'clock' | 'logger'> {
  readonly files: readonly string[];
  readonly coordinator: string;
  readonly owned: DisposableStore;
}

function workOf(attempts: readonly Pick<LiveAttempt, 'attemptId'>[]) {
  return attempts.flatMap(({attemptId}) => {
    const parts = parseAttemptId(attemptId);
    return parts ? [{sessionId: parts.sessionId, taskId: parts.taskId}] : [];
  });
}

function infos(gateway: Gateway, records: ServerRecords, surface: GatewaySurface): MCPServerInfo[] {
  const shown = surface.shownNames();
  return records.all().map(record => {
    const {name} = record.definition;
    return serverInfo(record, gateway.get(name), shown, gateway.options.credentials.known(name));
  });
}

async function introspect(gateway: Gateway, definition: ServerDefinition): Promise<Introspection> {
  const upstream = gateway.probe(definition);
  try {
    const catalog = await upstream.catalogs.read(EVERYTHING);
    const failedLists = failedListsOf(upstream.catalogs.faults, definition);
    return {capabilities: catalog ? capabilitiesOf(catalog) : [], ...(failedLists && {failedLists})};
  } finally {
    await upstream.stop();
  }
}

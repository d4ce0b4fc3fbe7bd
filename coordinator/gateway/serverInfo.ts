/** A registered server as people see it: its record without secrets, and what this coordinator knows of it. */
import {HIDDEN, withoutSecrets} from '../discovery/servers/serverView.ts';
import type {MCPCapability, MCPServerInfo} from '../protocol/commands/server.ts';
import type {ServerDefinition, ServerRecord} from '../protocol/model/server.ts';
import type {ServerCredentials} from '../protocol/model/serverOAuth.ts';
import type {Catalog, ListFault} from './catalog.ts';
import type {Replica} from './replica.ts';
import type {Upstream} from './upstream.ts';

/** `shown` gives a capability's name at the hub; `login` is what is kept of one there. */
export function serverInfo(
  record: ServerRecord,
  upstream: Upstream | undefined,
  shown: (server: string, kind: MCPCapability['kind'], name: string) => string | undefined,
  login?: ServerCredentials,
): MCPServerInfo {
  const {definition, discoveredAt, source} = record;
  const {name} = definition;
  const catalog = upstream?.catalogs.known;
  const [opened] = upstream?.legs.open ?? [];
  const lastError = upstream?.catalogs.lastError;
  const failedLists = failedListsOf(upstream?.catalogs.faults ?? [], definition);
  const needsLogin = upstream?.legs.needsLogin || upstream?.catalogs.needsLogin;
  const down = lastError !== undefined && opened === undefined;
  return {
    name,
    definition: withoutSecrets(definition),
    discoveredAt,
    ...(source && {source: source.file}),
    state: needsLogin ? 'needsLogin' : down ? 'unavailable' : catalog ? 'ready' : 'starting',
    ...(opened && {era: opened.leg.era}),
    ...(lastError !== undefined && {lastError: hideValues(lastError, definition)}),
    places: (upstream?.legs.replicas ?? []).map(replica => placeOf(replica, definition)),
    connections: upstream?.legs.open.length ?? 0,
    processes: upstream?.legs.processes ?? 0,
    capabilities: catalog
      ? capabilitiesOf(catalog).map(capability => ({
          ...capability,
          shown: shown(name, capability.kind, capability.name),
        }))
      : [],
    ...(failedLists && {failedLists}),
    ...(login && {login: {issuer: login.issuer, loggedInAt: login.loggedInAt}}),
  };
}

function placeOf(
  {legs, lastError, pauseMs}: Replica,
  definition: ServerDefinition,
): MCPServerInfo['places'][number] {
  if (legs.size > 0) return {state: 'connected'};
  if (lastError !== undefined) return {state: 'failed', lastError: hideValues(lastError, definition)};
  return {state: pauseMs > 0 ? 'failed' : 'unused'};
}

/** Undefined: there are none. */
export function failedListsOf(
  faults: readonly ListFault[],
  definition: ServerDefinition,
): MCPServerInfo['failedLists'] {
  if (faults.length === 0) return undefined;
  return faults.map(({list, reason}) => ({list, reason: hideValues(reason, definition)}));
}

export function capabilitiesOf(catalog: Catalog): MCPCapability[] {
  return [
    ...catalog.tools.map(({name, description, annotations}) => ({
      kind: 'tool' as const,
      name,
      description,
      ...(annotations?.readOnlyHint !== undefined && {readOnly: annotations.readOnlyHint}),
    })),
    ...catalog.resources.map(({uri, description}) => ({kind: 'resource' as const, name: uri, description})),
    ...catalog.resourceTemplates.map(({uriTemplate, description}) => ({
      kind: 'resourceTemplate' as const,
      name: uriTemplate,
      description,
    })),
    ...catalog.prompts.map(({name, description}) => ({kind: 'prompt' as const, name, description})),
  ];
}

/** A server may repeat what it was given. */
function hideValues(text: string, {endpoint, replicas}: ServerDefinition): string {
  const values = [endpoint, ...replicas].flatMap(place =>
    Object.values(place.type === 'stdio' ? place.env : place.headers),
  );
  return values
    .filter(value => value.length >= 6 && !value.includes('${'))
    .reduce((said, value) => said.replaceAll(value, HIDDEN), text);
}

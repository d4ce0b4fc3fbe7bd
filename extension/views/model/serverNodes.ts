/** How an MCP server, and what it offers, look in their tree. Pure. */
import type {
  MCPCapability,
  MCPList,
  MCPServerInfo,
  ServerState,
} from '../../../coordinator/protocol/commands/server.ts';
import type {ServerEndpoint} from '../../../coordinator/protocol/model/server.ts';
import {offerNodeId, type ServerPart, serverNodeId, serverPartId} from './nodeIds.ts';
import {type Access, accessTo} from './serverAccess.ts';
import {type OfferPart, offersOf} from './serverRows.ts';
import type {NodeIcon, TreeNode} from './treeModel.ts';
import {ago, headline, joined, type Words} from './words.ts';

const LONGEST_ENDPOINT = 120;

const ICONS: Readonly<Record<ServerState, NodeIcon>> = {
  ready: {id: 'mcp', color: 'charts.green'},
  starting: {id: 'loading~spin'},
  unavailable: {id: 'error', color: 'testing.iconFailed'},
  needsLogin: {id: 'account', color: 'charts.yellow'},
};

type PlaceState = MCPServerInfo['places'][number]['state'];

const PLACE_ICONS: Readonly<Record<PlaceState, NodeIcon>> = {
  connected: ICONS.ready,
  unused: {id: 'circle-outline', color: 'disabledForeground'},
  failed: ICONS.unavailable,
};

const OFFER_ICONS: Readonly<Record<MCPCapability['kind'], string>> = {
  tool: 'wrench',
  resource: 'symbol-file',
  resourceTemplate: 'symbol-snippet',
  prompt: 'comment',
};

const PART_ICONS: Readonly<Record<ServerPart, string>> = {
  tools: 'tools',
  resources: 'file',
  prompts: 'comment',
  places: 'server',
};

export function serverNode(row: MCPServerInfo, isOpenable: boolean, words: Words): TreeNode {
  const {name, state, failedLists = []} = row;
  const trouble = troubleOf(row);
  const tools = offersOf(row, 'tools').length;
  const unlisted = failedLists.map(({list}) => listText(list, words));
  const isCounted = !failedLists.some(({list}) => list === 'tools') || tools > 0;
  return {
    id: serverNodeId(name),
    label: name,
    description: joined(
      stateText(state, words),
      // Until then it only seems to have none.
      (state === 'ready' || row.capabilities.length > 0) && isCounted ? toolsText(tools, words) : undefined,
      unlisted.length === 0 ? undefined : words.t('does not list {0}', unlisted.join(', ')),
      placesText(row, words),
      (state === 'unavailable' || state === 'needsLogin') && trouble !== undefined
        ? headline(trouble)
        : undefined,
    ),
    spoken: stateText(state, words),
    tooltip: serverTooltip(row, words),
    icon: unlisted.length > 0 && state === 'ready' ? {...ICONS.ready, color: 'charts.yellow'} : ICONS[state],
    contextValue: `server.${state}${takesLogin(row) ? '.takesLogin' : ''}${row.login ? '.loggedIn' : ''}`,
    target: {kind: 'server', server: name},
    expansion: isOpenable ? 'collapsed' : 'leaf',
  };
}

/** Where a person may log in, whether the server has asked for it or not. */
export function takesLogin({definition: {endpoint}}: MCPServerInfo): boolean {
  return endpoint.type !== 'stdio' && endpoint.oauth?.grant !== 'client_credentials';
}

/** Of its only place, which needs not be named. */
function troubleOf({places, lastError}: MCPServerInfo): string | undefined {
  return (places.length === 1 ? places[0]?.lastError : undefined) ?? lastError;
}

export function partNode(server: string, part: ServerPart, count: number, words: Words): TreeNode {
  return {
    id: serverPartId(server, part),
    label: partText(part, words),
    description: String(count),
    icon: {id: PART_ICONS[part]},
    expansion: part === 'tools' ? 'expanded' : 'collapsed',
  };
}

export function offerNode(
  {name: server, definition}: MCPServerInfo,
  part: OfferPart,
  offer: MCPCapability,
  words: Words,
): TreeNode {
  const {t} = words;
  const {name, kind, description, shown, readOnly} = offer;
  const access = accessTo(definition.access, name);
  return {
    id: offerNodeId(server, part, name),
    label: name,
    description: joined(
      access === 'allowed' ? undefined : accessText(access, words),
      description === undefined ? undefined : headline(description),
    ),
    spoken: kindText(kind, words),
    tooltip: [
      name,
      ...(shown === undefined || shown === name ? [] : [t('Agents see it as {0}', shown)]),
      accessLine(access, words),
      ...(readOnly === true ? [t('It changes nothing')] : []),
      ...(description === undefined ? [] : ['', description]),
    ],
    icon: access === 'denied' ? {id: 'circle-slash', color: 'disabledForeground'} : {id: OFFER_ICONS[kind]},
    contextValue: `offer.${part}.${access}`,
    target: {kind: 'offer', server, part, name},
    expansion: 'leaf',
  };
}

/** One of the places where it runs; the first is its own, the others are replicas. */
export function placeNode({name, definition, places}: MCPServerInfo, index: number, words: Words): TreeNode {
  const {t} = words;
  const endpoint = [definition.endpoint, ...definition.replicas][index];
  const text = endpoint === undefined ? '' : endpointText(endpoint);
  const {state, lastError} = places[index] ?? {state: 'unused'};
  const health = placeText(state, words);
  return {
    id: offerNodeId(name, 'places', String(index)),
    label: text,
    description: joined(
      health,
      index === 0 ? undefined : t('replica'),
      lastError === undefined ? undefined : headline(lastError),
    ),
    spoken: health,
    tooltip: [text, health, ...(lastError === undefined ? [] : [t('Last error: {0}', lastError)])],
    icon: PLACE_ICONS[state],
    contextValue: 'place',
    expansion: 'leaf',
  };
}

/** Variables and headers are left out. */
export function endpointText(endpoint: ServerEndpoint): string {
  const text = endpoint.type === 'stdio' ? [endpoint.command, ...endpoint.args].join(' ') : endpoint.url;
  return text.length > LONGEST_ENDPOINT ? `${text.slice(0, LONGEST_ENDPOINT - 1)}…` : text;
}

function serverTooltip(row: MCPServerInfo, words: Words): string[] {
  const {t} = words;
  const {name, definition, state, era, source, lastError, login, failedLists = []} = row;
  const {title, description, endpoint} = definition;
  const isProcess = endpoint.type === 'stdio';
  return [
    title === undefined || title === name ? name : `${name}: ${title}`,
    description,
    stateText(state, words),
    lastError === undefined ? undefined : t('Last error: {0}', lastError),
    ...failedLists.map(({list, reason}) => t('Does not list {0}: {1}', listText(list, words), reason)),
    login && t('Logged in by {0}, {1}', login.issuer, ago(login.loggedInAt, words)),
    isProcess ? t('Command: {0}', endpointText(endpoint)) : t('Address: {0}', endpointText(endpoint)),
    isProcess
      ? t('Runs beside the coordinator; processes: {0}', row.processes)
      : t('Connections: {0}', row.connections),
    era === undefined ? undefined : eraText(era, words),
    sharedText(row, words),
    definition.access === undefined || definition.access.length === 0
      ? undefined
      : t('Access rules: {0}', definition.access.length),
    source === undefined
      ? t('Registered {0}', ago(row.discoveredAt, words))
      : t('Imported from {0}, {1}', source, ago(row.discoveredAt, words)),
  ].filter(line => line !== undefined && line !== '') as string[];
}

function eraText(era: 'legacy' | 'modern', {t}: Words): string {
  return era === 'modern' ? t('Protocol: MCP 2026-07-28') : t('Protocol: MCP 2025-11-25 or older');
}

function sharedText({definition}: MCPServerInfo, {t}: Words): string | undefined {
  if (definition.shared === undefined) return undefined;
  return definition.shared ? t('Shared by all clients') : t('One connection for each client');
}

export function stateText(state: ServerState, {t}: Words): string {
  switch (state) {
    case 'starting':
      return t('starting');
    case 'ready':
      return t('ready');
    case 'unavailable':
      return t('unavailable');
    case 'needsLogin':
      return t('needs a login');
  }
}

function placeText(state: PlaceState, {t}: Words): string {
  switch (state) {
    case 'connected':
      return t('connected');
    case 'unused':
      return t('not in use');
    case 'failed':
      return t('failed');
  }
}

function placesText({places}: MCPServerInfo, {t}: Words): string | undefined {
  const failed = places.filter(({state}) => state === 'failed').length;
  return places.length < 2 || failed === 0 ? undefined : t('{0} of {1} places fail', failed, places.length);
}

function toolsText(count: number, {t}: Words): string {
  return count === 0 ? t('no tools') : count === 1 ? t('1 tool') : t('{0} tools', count);
}

function partText(part: ServerPart, {t}: Words): string {
  switch (part) {
    case 'tools':
      return t('Tools');
    case 'resources':
      return t('Resources');
    case 'prompts':
      return t('Prompts');
    case 'places':
      return t('Places');
  }
}

function listText(list: MCPList, {t}: Words): string {
  switch (list) {
    case 'tools':
      return t('tools');
    case 'resources':
      return t('resources');
    case 'resourceTemplates':
      return t('templates of resources');
    case 'prompts':
      return t('prompts');
  }
}

function kindText(kind: MCPCapability['kind'], {t}: Words): string {
  switch (kind) {
    case 'tool':
      return t('tool');
    case 'resource':
      return t('resource');
    case 'resourceTemplate':
      return t('template of resources');
    case 'prompt':
      return t('prompt');
  }
}

function accessText(access: Access, {t}: Words): string {
  switch (access) {
    case 'allowed':
      return t('allowed');
    case 'denied':
      return t('denied');
    case 'limited':
      return t('limited');
  }
}

function accessLine(access: Access, {t}: Words): string {
  switch (access) {
    case 'allowed':
      return t('Everybody may use it');
    case 'denied':
      return t('Nobody may use it');
    case 'limited':
      return t('Not everybody may use it: its definition has rules');
  }
}

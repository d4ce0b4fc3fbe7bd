/** What a server offers: read from one connection, list by list. */
import {
  isSpecType,
  type Prompt,
  ProtocolError,
  ProtocolErrorCode,
  type Resource,
  type ResourceTemplateType,
  type Tool,
} from '@modelcontextprotocol/client';
import type {Logger} from '../observability/logger.ts';
import {MCPList} from '../protocol/commands/server.ts';
import {CoordinatorError, isCoordinatorError} from '../runtime/errors.ts';
import {isConnectionLoss, type Leg, surelyNotDone} from './leg.ts';
import {headerFault} from './parameterHeaders.ts';

export interface Catalog {
  readonly tools: readonly Tool[];
  readonly resources: readonly Resource[];
  readonly resourceTemplates: readonly ResourceTemplateType[];
  readonly prompts: readonly Prompt[];
  readonly instructions: string | undefined;
}

/** Whom the lists are asked of, and in whose name. */
export type ListSource = Pick<Leg, 'capabilities' | 'instructions' | 'request' | 'sendsHeaders'>;

/** As servers declare them, and tell of their changes. */
export type ListKind = 'tools' | 'resources' | 'prompts';
export const LIST_KINDS: readonly ListKind[] = ['tools', 'resources', 'prompts'];

/** A list that could not be read; the others can be used. */
export interface ListFault {
  readonly list: MCPList;
  /** For people. */
  readonly reason: string;
  readonly error: unknown;
}

export interface CatalogReading {
  readonly catalog: Catalog;
  /** In order of `MCPList`. */
  readonly faults: readonly ListFault[];
}

export interface CatalogRequest {
  readonly leg: ListSource;
  readonly kinds: readonly ListKind[];
  /** What other kinds are by the end, and what stays of a list that cannot be read now. */
  readonly known: () => Partial<CatalogReading>;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  readonly explain: (error: unknown) => string;
}

const MAX_ITEMS = 10_000;
const MAX_PAGES = 200;

const NOTHING: Catalog = {
  tools: [],
  resources: [],
  resourceTemplates: [],
  prompts: [],
  instructions: undefined,
};

/** Rejects when the connection, or who may use it, is why a list cannot be read; what is wrong with a list alone is its fault. */
export async function readCatalog(request: CatalogRequest): Promise<CatalogReading> {
  const {leg, kinds, signal, explain} = request;
  const failed: ListFault[] = [];
  const isAsked = (list: MCPList): boolean => kinds.includes(kindOf(list));
  /** Of what was asked for and given. */
  const given = async <L extends MCPList>(
    list: L,
    read: () => Promise<Catalog[L]>,
  ): Promise<Catalog[L] | undefined> => {
    if (!isAsked(list)) return undefined;
    if (!leg.capabilities[kindOf(list)]) return NOTHING[list];
    try {
      return await read();
    } catch (thrown) {
      const error: unknown = signal.aborted ? signal.reason : thrown;
      if (isOfConnection(error)) throw thrown;
      failed.push({list, reason: explain(error), error});
      return undefined;
    }
  };
  const [tools, resources, resourceTemplates, prompts] = await Promise.all([
    given('tools', () => readTools(request)),
    given('resources', () => pages(request, 'resources/list', 'resources', isSpecType.Resource)),
    given('resourceTemplates', () => readTemplates(request)),
    given('prompts', () => pages(request, 'prompts/list', 'prompts', isSpecType.Prompt)),
  ]);
  const {catalog: known = NOTHING, faults: others = []} = request.known();
  const faults = [...others.filter(({list}) => !isAsked(list)), ...failed];
  return {
    catalog: {
      tools: tools ?? known.tools,
      resources: resources ?? known.resources,
      resourceTemplates: resourceTemplates ?? known.resourceTemplates,
      prompts: prompts ?? known.prompts,
      instructions: leg.instructions,
    },
    faults: faults.sort((a, b) => LISTS.indexOf(a.list) - LISTS.indexOf(b.list)),
  };
}

/** Why nothing of what a server declares can be listed; undefined where something can. */
export function wholeFault({capabilities}: ListSource, {faults}: CatalogReading): ListFault | undefined {
  const declared = LIST_KINDS.filter(kind => capabilities[kind]);
  return declared.every(kind => faults.some(({list}) => list === kind)) ? faults[0] : undefined;
}

/** Templates are no list of their own to those who declare and tell. */
export function kindOf(list: MCPList): ListKind {
  return list === 'resourceTemplates' ? 'resources' : list;
}

const LISTS = MCPList.options;

/** Then the other lists cannot be had either, or only by chance. */
function isOfConnection(error: unknown): boolean {
  if (isCoordinatorError(error)) return error.code !== 'limit' && error.code !== 'timeout';
  return isConnectionLoss(error) || surelyNotDone(error);
}

async function readTools(request: CatalogRequest): Promise<readonly Tool[]> {
  const {leg, logger} = request;
  const tools = await pages(request, 'tools/list', 'tools', isSpecType.Tool);
  if (!leg.sendsHeaders) return tools;
  return tools.filter(({name, inputSchema}) => {
    const fault = headerFault(inputSchema);
    if (fault !== undefined)
      logger.warn('a tool is left out, whose headers break the protocol', {tool: name, fault});
    return fault === undefined;
  });
}

async function readTemplates(request: CatalogRequest): Promise<readonly ResourceTemplateType[]> {
  try {
    return await pages(request, 'resources/templates/list', 'resourceTemplates', isSpecType.ResourceTemplate);
  } catch (error) {
    // Servers are known that have resources and no such method.
    if (error instanceof ProtocolError && error.code === ProtocolErrorCode.MethodNotFound) return [];
    throw error;
  }
}

/** An item that is not what the protocol says is left out: it must not hide the others. */
async function pages<T>(
  {leg, signal, logger}: CatalogRequest,
  method: string,
  field: string,
  isItem: (value: unknown) => value is T,
): Promise<T[]> {
  const items: T[] = [];
  let cursor: unknown;
  for (let page = 0; page < MAX_PAGES; page++) {
    const result = await leg.request(method, cursor === undefined ? {} : {cursor}, {signal});
    const found = result[field];
    for (const item of Array.isArray(found) ? found : []) {
      if (isItem(item)) items.push(item);
      else logger.warn('an item that breaks the protocol is left out', {method, item: JSON.stringify(item)});
      if (items.length > MAX_ITEMS)
        throw new CoordinatorError('limit', `${method}: more than ${MAX_ITEMS} items`);
    }
    cursor = result['nextCursor'];
    if (typeof cursor !== 'string') return items;
  }
  throw new CoordinatorError('limit', `${method}: more than ${MAX_PAGES} pages`);
}

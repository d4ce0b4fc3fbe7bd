/** What a server offers: read whole from one connection. */
import {
  isSpecType,
  type Prompt,
  type Resource,
  type ResourceTemplateType,
  type Tool,
} from '@modelcontextprotocol/client';
import type {Logger} from '../observability/logger.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import type {Leg} from './leg.ts';
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

export type ListKind = 'tools' | 'resources' | 'prompts';

const MAX_ITEMS = 10_000;
const MAX_PAGES = 200;

export async function readCatalog(leg: ListSource, signal: AbortSignal, logger: Logger): Promise<Catalog> {
  const [tools, resources, prompts] = await Promise.all([
    readTools(leg, signal, logger),
    readResources(leg, signal, logger),
    readPrompts(leg, signal, logger),
  ]);
  return {tools, ...resources, prompts, instructions: leg.instructions};
}

/** The part that a notification is about, read again. */
export async function rereadCatalog(
  catalog: Catalog,
  kind: ListKind,
  leg: ListSource,
  signal: AbortSignal,
  logger: Logger,
): Promise<Catalog> {
  if (kind === 'tools') return {...catalog, tools: await readTools(leg, signal, logger)};
  if (kind === 'prompts') return {...catalog, prompts: await readPrompts(leg, signal, logger)};
  return {...catalog, ...(await readResources(leg, signal, logger))};
}

async function readTools(leg: ListSource, signal: AbortSignal, logger: Logger): Promise<Tool[]> {
  if (!leg.capabilities.tools) return [];
  const tools = await pages(leg, 'tools/list', 'tools', isSpecType.Tool, signal, logger);
  if (!leg.sendsHeaders) return tools;
  return tools.filter(({name, inputSchema}) => {
    const fault = headerFault(inputSchema);
    if (fault !== undefined)
      logger.warn('a tool is left out, whose headers break the protocol', {tool: name, fault});
    return fault === undefined;
  });
}

function readPrompts(leg: ListSource, signal: AbortSignal, logger: Logger): Promise<Prompt[]> {
  return leg.capabilities.prompts
    ? pages(leg, 'prompts/list', 'prompts', isSpecType.Prompt, signal, logger)
    : none();
}

async function readResources(leg: ListSource, signal: AbortSignal, logger: Logger) {
  if (!leg.capabilities.resources) return {resources: [], resourceTemplates: []};
  const [resources, resourceTemplates] = await Promise.all([
    pages(leg, 'resources/list', 'resources', isSpecType.Resource, signal, logger),
    // Servers are known that have resources and no such method.
    pages(
      leg,
      'resources/templates/list',
      'resourceTemplates',
      isSpecType.ResourceTemplate,
      signal,
      logger,
    ).catch(() => []),
  ]);
  return {resources, resourceTemplates};
}

async function none(): Promise<never[]> {
  return [];
}

/** An item that is not what the protocol says is left out: it must not hide the others. */
async function pages<T>(
  leg: ListSource,
  method: string,
  field: string,
  isItem: (value: unknown) => value is T,
  signal: AbortSignal,
  logger: Logger,
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

/** What one caller sees of all servers: names and URIs of the hub, and whose they are. Catalogs in, lists out. */
import {
  type Prompt,
  type Resource,
  type ResourceTemplateType,
  type Tool,
  UriTemplate,
} from '@modelcontextprotocol/client';
import type {ServerDefinition} from '../protocol/model/server.ts';
import {type AccessContext, visibleTo} from './access.ts';
import type {Catalog} from './catalog.ts';
import {namesOf, type Offered} from './names.ts';
import {splitUri, uriBelow, urisOf} from './resourceUris.ts';

export interface Origin<T> {
  readonly server: string;
  /** As the server calls it. */
  readonly name: string;
  readonly item: T;
}

export interface ServerOffer {
  readonly definition: ServerDefinition;
  readonly catalog: Catalog;
}

export interface View {
  readonly tools: readonly Tool[];
  readonly resources: readonly Resource[];
  readonly resourceTemplates: readonly ResourceTemplateType[];
  readonly prompts: readonly Prompt[];
  tool(name: string): Origin<Tool> | undefined;
  prompt(name: string): Origin<Prompt> | undefined;
  /** The server and its own URI; undefined where no list and no template leads anywhere, or the caller may not. */
  resource(uri: string): {readonly server: string; readonly uri: string} | undefined;
  /** Of a template's URI. */
  template(uri: string): {readonly server: string; readonly uri: string} | undefined;
  /** How the hub calls what the server calls so. */
  shownUri(server: string, uri: string): string;
  mayRead(server: string, uri: string): boolean;
}

export function viewOf(offers: readonly ServerOffer[], context: AccessContext): View {
  const tests = new Map(
    offers.map(({definition}) => [definition.name, visibleTo(definition.access, context)] as const),
  );
  const may = (server: string, name: string): boolean => tests.get(server)?.(name) ?? false;
  const tools = named(offers, may, ({tools}) => tools);
  const prompts = named(offers, may, ({prompts}) => prompts);
  const resources = located(offers, may, ({resources}) => resources.map(item => ({uri: item.uri, item})));
  const templates = located(offers, may, ({resourceTemplates}) =>
    resourceTemplates.map(item => ({uri: item.uriTemplate, item})),
  );
  const matchers = [...templates.entries]
    .map(([shown, {server, name}]) => ({shown, server, template: new UriTemplate(name), length: name.length}))
    // The one that says most, whatever the order of the servers is.
    .sort((a, b) => b.length - a.length || (a.server < b.server ? -1 : 1));
  const withResources = offers.filter(
    ({catalog: {resources: some, resourceTemplates}}) => some.length + resourceTemplates.length > 0,
  );
  const mayRead = (server: string, uri: string): boolean => may(server, uri);
  return {
    tools: [...tools].map(([name, {item}]) => ({...item, name})),
    prompts: [...prompts].map(([name, {item}]) => ({...item, name})),
    resources: [...resources.entries].map(([uri, {item}]) => ({...item, uri})),
    resourceTemplates: [...templates.entries].map(([uriTemplate, {item}]) => ({...item, uriTemplate})),
    tool: name => tools.get(name),
    prompt: name => prompts.get(name),
    mayRead,
    shownUri: (server, uri) => (resources.ambiguous.has(uri) ? uriBelow(server, uri) : uri),
    template: uri => {
      const origin = templates.entries.get(uri) ?? resources.entries.get(uri);
      return origin && {server: origin.server, uri: origin.name};
    },
    resource: uri => {
      const listed = resources.entries.get(uri);
      if (listed) return {server: listed.server, uri: listed.name};
      const below = splitUri(uri);
      if (below) return mayRead(below.server, below.uri) ? below : undefined;
      for (const {server, template} of matchers)
        if (template.match(uri) && mayRead(server, uri)) return {server, uri};
      const [only] = withResources;
      const server = withResources.length === 1 ? only?.definition.name : undefined;
      return server !== undefined && mayRead(server, uri) ? {server, uri} : undefined;
    },
  };
}

/** Names are given before anything is hidden, so that everybody who sees a thing sees it under the same name. */
function named<T extends {readonly name: string}>(
  offers: readonly ServerOffer[],
  may: (server: string, name: string) => boolean,
  itemsOf: (catalog: Catalog) => readonly T[],
): Map<string, Origin<T>> {
  const all: Offered<T>[] = offers.flatMap(({definition, catalog}) =>
    itemsOf(catalog).map(item => ({
      server: definition.name,
      prefix: definition.prefix ?? definition.name,
      name: item.name,
      item,
    })),
  );
  return new Map([...namesOf(all)].filter(([, {server, name}]) => may(server, name)));
}

function located<T>(
  offers: readonly ServerOffer[],
  may: (server: string, uri: string) => boolean,
  itemsOf: (catalog: Catalog) => readonly {readonly uri: string; readonly item: T}[],
): {entries: Map<string, Origin<T>>; ambiguous: Set<string>} {
  const all = offers.flatMap(({definition: {name: server}, catalog}) =>
    itemsOf(catalog).map(({uri, item}) => ({server, uri, item})),
  );
  const entries = new Map<string, Origin<T>>();
  const ambiguous = new Set<string>();
  for (const [shown, {server, uri, item}] of urisOf(all)) {
    if (shown !== uri) ambiguous.add(uri);
    if (may(server, uri)) entries.set(shown, {server, name: uri, item});
  }
  return {entries, ambiguous};
}

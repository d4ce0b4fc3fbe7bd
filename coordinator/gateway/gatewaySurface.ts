/** The servers behind the hub as a surface: their tools, prompts and resources under names of the hub, each caller's calls on connections of its own. */
import {
  type Prompt,
  ProtocolError,
  ProtocolErrorCode,
  type Resource,
  type ResourceTemplateType,
  type Tool,
} from '@modelcontextprotocol/client';
import type {
  CallToolRequest,
  CallToolResult,
  CompleteRequest,
  CompleteResult,
  GetPromptRequest,
  GetPromptResult,
  InputRequiredResult,
  ReadResourceResult,
} from '@modelcontextprotocol/server';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from '../mcp/surface.ts';
import type {MCPCapability} from '../protocol/commands/server.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {AccessContext} from './access.ts';
import type {Gateway, GatewayChange} from './gateway.ts';
import {type LegResult, legCapabilities} from './leg.ts';
import {SEPARATOR} from './names.ts';
import {ResourceLinks, rewriteUris} from './resourceLinks.ts';
import {ResultCache} from './resultCache.ts';
import type {Upstream, UpstreamRequest} from './upstream.ts';
import {type ServerOffer, type View, viewOf} from './view.ts';

export interface GatewaySurfaceOptions {
  readonly gateway: Gateway;
  /** For access rules. */
  readonly contextOf: (caller: SurfaceCaller) => AccessContext;
}

/** Views that are kept: one for each kind of caller. */
const MAX_VIEWS = 64;

export class GatewaySurface implements Surface {
  private readonly views = new Map<string, {offers: readonly ServerOffer[]; view: View}>();
  private readonly cache: ResultCache;
  private readonly links = new ResourceLinks();

  constructor(private readonly options: GatewaySurfaceOptions) {
    const {gateway} = options;
    this.cache = new ResultCache(gateway.options.clock, gateway.options.settings.maxCached);
    gateway.onChange(change => {
      if (change.kind === 'resource') this.cache.forget(change.server, change.update.uri);
      if (change.kind === 'catalog' && change.change.change.kind === 'resources')
        this.cache.forget(change.server);
    });
  }

  async tools(caller: SurfaceCaller): Promise<readonly Tool[]> {
    return (await this.view(caller)).tools;
  }

  async callTool(
    params: CallToolRequest['params'],
    call: SurfaceCall,
  ): Promise<CallToolResult | InputRequiredResult | undefined> {
    const view = await this.view(call);
    const origin = view.tool(params.name);
    if (!origin) return this.unknown(params.name, 'tools');
    const {annotations} = origin.item;
    const result = await this.ask(origin.server, call, {
      method: 'tools/call',
      params: {name: origin.name, arguments: params.arguments ?? {}},
      repeatable: annotations?.readOnlyHint === true || annotations?.idempotentHint === true,
      tool: origin.item,
    });
    return result && (this.localised(origin.server, view, call, result) as CallToolResult);
  }

  async resources(caller: SurfaceCaller): Promise<readonly Resource[]> {
    return (await this.view(caller)).resources;
  }

  async resourceTemplates(caller: SurfaceCaller): Promise<readonly ResourceTemplateType[]> {
    return (await this.view(caller)).resourceTemplates;
  }

  async readResource(
    uri: string,
    call: SurfaceCall,
  ): Promise<ReadResourceResult | InputRequiredResult | undefined> {
    const view = await this.view(call);
    const place = this.placeOf(uri, view, call);
    if (!place) return undefined;
    const {principal} = call;
    const known = this.cache.get(place.server, place.uri, principal);
    const result =
      known ??
      (await this.ask(place.server, call, {
        method: 'resources/read',
        params: {uri: place.uri},
        repeatable: true,
      }));
    if (!result) return undefined;
    if (!known && result['resultType'] !== 'input_required')
      this.cache.put(place.server, place.uri, principal, result);
    const shown = place.uri === uri ? result : rewriteUris(result, own => (own === place.uri ? uri : own));
    return this.localised(place.server, view, call, shown) as ReadResourceResult;
  }

  async subscribe(uri: string, caller: SurfaceCaller): Promise<Disposable | undefined> {
    const place = this.placeOf(uri, await this.view(caller), caller);
    const upstream = place && this.options.gateway.get(place.server);
    if (!place || !upstream) return undefined;
    const {clientKey, capabilities} = caller;
    if (upstream.tellsResources === false) {
      if (caller.era === 'modern') return undefined;
      throw new ProtocolError(
        ProtocolErrorCode.MethodNotFound,
        `the server ${place.server} does not tell of changes of its resources`,
      );
    }
    return upstream.subscriptions.add(clientKey, capabilities, place.uri, uri);
  }

  async prompts(caller: SurfaceCaller): Promise<readonly Prompt[]> {
    return (await this.view(caller)).prompts;
  }

  async getPrompt(
    params: GetPromptRequest['params'],
    call: SurfaceCall,
  ): Promise<GetPromptResult | InputRequiredResult | undefined> {
    const view = await this.view(call);
    const origin = view.prompt(params.name);
    if (!origin) return this.unknown(params.name, 'prompts');
    const result = await this.ask(origin.server, call, {
      method: 'prompts/get',
      params: {name: origin.name, ...(params.arguments && {arguments: params.arguments})},
      repeatable: true,
    });
    return result && (this.localised(origin.server, view, call, result) as GetPromptResult);
  }

  async complete(params: CompleteRequest['params'], call: SurfaceCall): Promise<CompleteResult | undefined> {
    const view = await this.view(call);
    const {ref, argument, context} = params;
    const place =
      ref.type === 'ref/prompt'
        ? at(view.prompt(ref.name), name => ({type: ref.type, name}))
        : at(nameOfPlace(view.template(ref.uri)), uri => ({type: ref.type, uri}));
    if (!place || this.options.gateway.get(place.server)?.completes === false) return undefined;
    const result = await this.ask(place.server, call, {
      method: 'completion/complete',
      params: {ref: place.ref, argument, ...(context && {context})},
      repeatable: true,
    });
    return result as CompleteResult | undefined;
  }

  onChange(caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    const {gateway} = this.options;
    return gateway.onChange(change => {
      for (const told of changesFor(gateway, change, caller)) listener(told);
    });
  }

  release(clientKey: string): void {
    this.links.release(clientKey);
    this.options.gateway.release(clientKey);
  }

  /** What is called how at the hub, of all that is known, whoever may see it. */
  shownNames(): (server: string, kind: MCPCapability['kind'], name: string) => string | undefined {
    const offers = this.options.gateway.all.flatMap(upstream => {
      const catalog = upstream.catalogs.known;
      return catalog ? [{definition: {...upstream.definition, access: undefined}, catalog}] : [];
    });
    const view = viewOf(offers, {role: 'coordinator', work: []});
    const names = new Map<string, string>();
    const note = (kind: string, shown: string, origin?: {server: string; name: string}): void => {
      if (origin) names.set(JSON.stringify([kind, origin.server, origin.name]), shown);
    };
    for (const {name} of view.tools) note('tool', name, view.tool(name));
    for (const {name} of view.prompts) note('prompt', name, view.prompt(name));
    for (const {uri} of view.resources) note('resource', uri, nameOfPlace(view.template(uri)));
    for (const {uriTemplate} of view.resourceTemplates)
      note('resourceTemplate', uriTemplate, nameOfPlace(view.template(uriTemplate)));
    return (server, kind, name) => names.get(JSON.stringify([kind, server, name]));
  }

  private async view(caller: SurfaceCaller): Promise<View> {
    const {gateway, contextOf} = this.options;
    const offers: ServerOffer[] = [];
    await Promise.all(
      gateway.all.map(async (upstream, at) => {
        const catalog = await upstream.catalogs.of(caller);
        if (catalog) offers[at] = upstream.offer(catalog);
      }),
    );
    const present = offers.filter(offer => offer !== undefined);
    const context = contextOf(caller);
    const key = JSON.stringify([context, legCapabilities(caller.capabilities)]);
    const known = this.views.get(key);
    if (
      known &&
      known.offers.length === present.length &&
      known.offers.every((offer, at) => offer === present[at])
    )
      return known.view;
    const view = viewOf(present, context);
    this.views.delete(key);
    this.views.set(key, {offers: present, view});
    const oldest = this.views.keys().next().value;
    if (this.views.size > MAX_VIEWS && oldest !== undefined) this.views.delete(oldest);
    return view;
  }

  private ask(server: string, call: SurfaceCall, request: UpstreamRequest): Promise<LegResult> | undefined {
    return this.options.gateway.get(server)?.call(call, request);
  }

  private placeOf(uri: string, view: View, {clientKey}: SurfaceCaller) {
    const linked = this.links.serverOf(clientKey, uri);
    if (linked !== undefined && view.mayRead(linked, uri)) return {server: linked, uri};
    const place = view.resource(uri);
    return place && this.options.gateway.get(place.server) ? place : undefined;
  }

  /** Resources that a result names are found again under what the hub calls them. */
  private localised(server: string, view: View, {clientKey}: SurfaceCaller, result: LegResult): LegResult {
    return rewriteUris(result, uri => {
      const shown = view.shownUri(server, uri);
      if (shown === uri && view.resource(uri)?.server !== server) this.links.note(clientKey, uri, server);
      return shown;
    });
  }

  /** Where its server is known and does not say whether it has it, that is the answer; else it is for others to know. */
  private unknown(name: string, list: 'tools' | 'prompts'): undefined {
    for (const upstream of this.options.gateway.all) {
      if (!name.startsWith(`${prefixOf(upstream)}${SEPARATOR}`)) continue;
      const {known, lastError, faults} = upstream.catalogs;
      const unread = faults.find(fault => fault.list === list);
      if (known && !unread) continue;
      const why = known
        ? `the server ${upstream.name} does not list its ${list}: ${unread?.reason}`
        : (lastError ?? `the server ${upstream.name} has not told what it offers yet`);
      throw new ProtocolError(ProtocolErrorCode.InternalError, `${name}: ${why}`);
    }
  }
}

function prefixOf({definition: {prefix, name}}: Upstream): string {
  return prefix === false ? '' : (prefix ?? name);
}

function at<R>(
  origin: {readonly server: string; readonly name: string} | undefined,
  refOf: (name: string) => R,
): {server: string; ref: R} | undefined {
  return origin && {server: origin.server, ref: refOf(origin.name)};
}

function nameOfPlace(place: {readonly server: string; readonly uri: string} | undefined) {
  return place && {server: place.server, name: place.uri};
}

function changesFor(
  gateway: Gateway,
  change: GatewayChange,
  {clientKey, capabilities}: SurfaceCaller,
): readonly SurfaceChange[] {
  switch (change.kind) {
    case 'servers':
      return [{kind: 'tools'}, {kind: 'resources'}, {kind: 'prompts'}];
    case 'catalog': {
      const {change: told, profile, clientKey: who} = change.change;
      if (who !== undefined) return who === clientKey ? [told] : [];
      return gateway.get(change.server)?.legs.profileOf(capabilities) === profile ? [told] : [];
    }
    case 'resource':
      return change.update.clientKey === clientKey ? [{kind: 'resource', uri: change.update.shown}] : [];
  }
}

/**
 * The SDK's server over a surface, for one client (its session, its socket) or one request: what is asked becomes calls of the surface. Which
 * transport it is connected to, and how long it lives, are its owner's.
 */
import {
  type CallToolResult,
  type CompleteResult,
  type Implementation,
  type InputRequiredResult,
  isInputRequiredResult,
  LOG_LEVEL_META_KEY,
  type LoggingLevel,
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RequestId,
  ResourceNotFoundError,
  type Result,
  Server,
  type ServerContext,
  type ServerOptions,
} from '@modelcontextprotocol/server';
import {wireError} from '../bridge/wireErrors.ts';
import type {Logger} from '../observability/logger.ts';
import {isProtocolError} from '../protocol/errors.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {Admission} from './admission.ts';
import type {BegunCall} from './begunCall.ts';
import {declaresExtension, serverCapabilities} from './capabilities.ts';
import {type DispatchCommand, runCommand} from './extensionCalls.ts';
import type {McpSettings} from './mcpSettings.ts';
import {pageOf} from './pages.ts';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from './surface.ts';

export interface SurfaceServerOptions {
  readonly surface: Surface;
  readonly implementation: Implementation;
  /** Tells models what this server is for. */
  readonly instructions?: string | undefined;
  readonly settings: McpSettings;
  readonly admission: Admission;
  /** Runs commands of our extension, for clients that declared it. Without it, it is not offered. */
  readonly dispatch?: DispatchCommand | undefined;
  readonly logger: Logger;
}

/** The notifications that are said once where a turn of the event loop has several. */
const CHANGES_OF_LISTS = [
  'notifications/tools/list_changed',
  'notifications/resources/list_changed',
  'notifications/prompts/list_changed',
];

/** The client is not known before it has said what it can: then `caller` is asked anew. */
export class SurfaceServer implements Disposable {
  readonly server: Server;
  /** What it was made as. */
  readonly product: Server | McpServer;
  private readonly subscriptions = new Map<string, Disposable>();
  private readonly begun = new Map<RequestId, BegunCall>();
  private readonly owned = new DisposableStore();
  private announces = false;

  constructor(
    private readonly options: SurfaceServerOptions,
    private readonly caller: () => SurfaceCaller,
    /** What the client said that it can, as far as that is known before it connects. */
    declared: unknown,
    make: (implementation: Implementation, options: ServerOptions) => Server | McpServer = plainServer,
  ) {
    const {implementation, instructions, logger, dispatch} = options;
    const extended = dispatch !== undefined && declaresExtension(declared);
    this.product = make(implementation, {
      capabilities: serverCapabilities(extended),
      debouncedNotificationMethods: CHANGES_OF_LISTS,
      ...(instructions !== undefined && {instructions}),
      inputRequired: {roundTimeoutMs: options.settings.clientRequestTimeoutMs},
    });
    this.server = this.product instanceof McpServer ? this.product.server : this.product;
    this.server.onerror = error => logger.debug('a message was dropped', {error});
    this.serveTools();
    this.serveResources();
    this.servePrompts();
    if (extended)
      this.server.fallbackRequestHandler = (request, context) =>
        this.guarded(request.method, () => runCommand(dispatch, this.caller().principal, request, context));
  }

  /** From now on the client is told of changes, until disposed. For those that are told without asking. */
  announceChanges(): void {
    // A client may say twice that it is initialized.
    if (this.announces) return;
    this.announces = true;
    const {surface} = this.options;
    this.owned.add(surface.onChange(this.caller(), change => this.announce(change)));
  }

  /** Its request is about to be asked here: it is gone on with, not begun anew. */
  expect(call: BegunCall): void {
    this.begun.set(call.plain.id, call);
  }

  dispose(): void {
    for (const subscription of this.subscriptions.values()) subscription.dispose();
    this.subscriptions.clear();
    this.owned.dispose();
  }

  private serveTools(): void {
    const {server} = this;
    const {surface, settings} = this.options;
    server.setRequestHandler('tools/list', ({params}) =>
      this.guarded('tools/list', async () => {
        const tools = await surface.tools(this.caller());
        const {entries, nextCursor} = pageOf(tools, nameOf, params?.cursor, settings.pageSize);
        return {tools: entries, ...(nextCursor !== undefined && {nextCursor})};
      }),
    );
    server.setRequestHandler('tools/call', ({params}, context) => {
      const begun = this.takeBegun(context.mcpReq.id);
      const answer = async (): Promise<CallToolResult | InputRequiredResult> => {
        const call = this.call(context);
        const result = await (begun ? begun.attend(call) : surface.callTool(params, call));
        if (result === undefined) throw invalidParams(`there is no tool ${JSON.stringify(params.name)} here`);
        if (isInputRequiredResult(result) || result.structuredContent === undefined) return result;
        const tool = (await surface.tools(call)).find(({name}) => name === params.name);
        return server.projectCallToolResult(result, tool?.outputSchema);
      };
      // What was begun has been admitted.
      return begun ? this.explained('tools/call', answer) : this.guarded('tools/call', answer);
    });
  }

  private takeBegun(id: RequestId): BegunCall | undefined {
    const call = this.begun.get(id);
    this.begun.delete(id);
    return call;
  }

  private serveResources(): void {
    const {server} = this;
    const {surface, settings} = this.options;
    server.setRequestHandler('resources/list', ({params}) =>
      this.guarded('resources/list', async () => {
        const resources = await surface.resources(this.caller());
        const {entries, nextCursor} = pageOf(resources, ({uri}) => uri, params?.cursor, settings.pageSize);
        return {resources: entries, ...(nextCursor !== undefined && {nextCursor})};
      }),
    );
    server.setRequestHandler('resources/templates/list', ({params}) =>
      this.guarded('resources/templates/list', async () => {
        const templates = await surface.resourceTemplates(this.caller());
        const keyOf = ({uriTemplate}: {uriTemplate: string}): string => uriTemplate;
        const {entries, nextCursor} = pageOf(templates, keyOf, params?.cursor, settings.pageSize);
        return {resourceTemplates: entries, ...(nextCursor !== undefined && {nextCursor})};
      }),
    );
    server.setRequestHandler('resources/read', ({params}, context) =>
      this.guarded('resources/read', async () => {
        const result = await surface.readResource(params.uri, this.call(context));
        if (result === undefined) throw new ResourceNotFoundError(params.uri);
        return result;
      }),
    );
    server.setRequestHandler('resources/subscribe', ({params}) =>
      this.guarded('resources/subscribe', () => this.subscribe(params.uri)),
    );
    server.setRequestHandler('resources/unsubscribe', ({params}) => {
      this.subscriptions.get(params.uri)?.dispose();
      this.subscriptions.delete(params.uri);
      return {};
    });
  }

  private servePrompts(): void {
    const {server} = this;
    const {surface, settings} = this.options;
    server.setRequestHandler('prompts/list', ({params}) =>
      this.guarded('prompts/list', async () => {
        const prompts = await surface.prompts(this.caller());
        const {entries, nextCursor} = pageOf(prompts, nameOf, params?.cursor, settings.pageSize);
        return {prompts: entries, ...(nextCursor !== undefined && {nextCursor})};
      }),
    );
    server.setRequestHandler('prompts/get', ({params}, context) =>
      this.guarded('prompts/get', async () => {
        const result = await surface.getPrompt(params, this.call(context));
        if (result === undefined)
          throw invalidParams(`there is no prompt ${JSON.stringify(params.name)} here`);
        return result;
      }),
    );
    server.setRequestHandler('completion/complete', ({params}, context) =>
      this.guarded('completion/complete', async () => {
        return (await surface.complete(params, this.call(context))) ?? NOTHING_TO_COMPLETE;
      }),
    );
  }

  private async subscribe(uri: string): Promise<Record<string, never>> {
    if (this.subscriptions.has(uri)) return {};
    const {surface, settings} = this.options;
    if (this.subscriptions.size >= settings.maxSubscriptions)
      throw invalidParams(`a client may be subscribed to at most ${settings.maxSubscriptions} resources`);
    const subscription = await surface.subscribe(uri, this.caller());
    if (subscription === undefined) throw new ResourceNotFoundError(uri);
    // Asked for twice at once, or for a client that has gone meanwhile.
    if (this.subscriptions.has(uri) || this.owned.isDisposed) subscription.dispose();
    else this.subscriptions.set(uri, subscription);
    return {};
  }

  private announce(change: SurfaceChange): void {
    const {server} = this;
    const sent = (): Promise<void> => {
      switch (change.kind) {
        case 'tools':
          return server.sendToolListChanged();
        case 'resources':
          return server.sendResourceListChanged();
        case 'prompts':
          return server.sendPromptListChanged();
        case 'resource':
          return this.mayHear(change.uri) ? server.sendResourceUpdated({uri: change.uri}) : Promise.resolve();
      }
    };
    sent().catch((error: unknown) => this.options.logger.debug('a change was not told', {error}));
  }

  /** In the modern era `subscriptions/listen` says which ones, and whoever serves that looks. */
  private mayHear(uri: string): boolean {
    return this.caller().era === 'modern' || this.subscriptions.has(uri);
  }

  private call(context: ServerContext): SurfaceCall {
    const {mcpReq} = context;
    const caller = this.caller();
    const dropped = (error: unknown): void =>
      this.options.logger.debug('a notification was not sent', {method: mcpReq.method, error});
    const token = mcpReq._meta?.progressToken;
    return {
      ...caller,
      signal: mcpReq.signal,
      meta: mcpReq._meta,
      logLevel: logLevelIn(mcpReq.envelope),
      progress(progress) {
        if (token === undefined || mcpReq.signal.aborted) return;
        const params = {...progress, progressToken: token};
        mcpReq.notify({method: 'notifications/progress', params}).catch(dropped);
      },
      log(level, data, logger) {
        if (!mcpReq.signal.aborted) mcpReq.log(level, data, logger).catch(dropped);
      },
      request: caller.era === 'legacy' ? (method, params) => this.ask(context, method, params) : undefined,
      inputResponses: mcpReq.inputResponses,
      requestState: mcpReq.requestState<string>(),
    };
  }

  private ask({mcpReq}: ServerContext, method: string, params: Record<string, unknown>): Promise<unknown> {
    const options = {timeout: this.options.settings.clientRequestTimeoutMs, signal: mcpReq.signal};
    if (!isClientMethod(method)) throw new Error(`a client cannot be asked ${method}`);
    return mcpReq.send({method, params}, options);
  }

  private guarded<T extends Result>(method: string, serve: () => Promise<T>): Promise<T> {
    return this.explained(method, async () => {
      const leave = this.options.admission.enter(this.caller());
      try {
        return await serve();
      } finally {
        leave();
      }
    });
  }

  /** What a surface throws that is no protocol error is its own affair: the client hears that something failed. */
  private async explained<T extends Result>(method: string, serve: () => Promise<T>): Promise<T> {
    try {
      return await serve();
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      const fault = wireError(error);
      if (isProtocolError(fault, 'internal'))
        this.options.logger.error('a request of an MCP client failed', {method, error});
      throw fault;
    }
  }
}

const NOTHING_TO_COMPLETE: CompleteResult = {completion: {values: [], hasMore: false}};

const CLIENT_METHODS = ['sampling/createMessage', 'elicitation/create', 'roots/list', 'ping'] as const;

function isClientMethod(method: string): method is (typeof CLIENT_METHODS)[number] {
  return (CLIENT_METHODS as readonly string[]).includes(method);
}

function plainServer(implementation: Implementation, options: ServerOptions): Server {
  return new Server(implementation, options);
}

/** The SDK's type of it leaves that out. */
function logLevelIn(envelope: object | undefined): LoggingLevel | undefined {
  return (envelope as {[LOG_LEVEL_META_KEY]?: LoggingLevel} | undefined)?.[LOG_LEVEL_META_KEY];
}

function nameOf({name}: {name: string}): string {
  return name;
}

function invalidParams(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}

/**
 * The hub's own tools, resources and prompts: what a lead Claude Code, or any MCP client, runs the fleet by. Everything is named by handles and kept in
 * the store, nothing hangs on a connection: a call that was cut off is made again, at any coordinator of the cluster.
 */
import {
  type CallToolRequest,
  type CallToolResult,
  type CompleteRequest,
  type CompleteResult,
  type GetPromptRequest,
  type GetPromptResult,
  type Prompt,
  type ReadResourceResult,
  type Resource,
  type ResourceTemplateType,
  ProtocolError as SdkError,
  type Tool,
} from '@modelcontextprotocol/server';
import {wireError} from '../../bridge/wireErrors.ts';
import {dirtyRows} from '../../client/mirror/dirtyRows.ts';
import {snapshotRows} from '../../client/snapshotRows.ts';
import type {Hub} from '../../hub/hub.ts';
import type {Logger} from '../../observability/logger.ts';
import {ERROR_CODES} from '../../protocol/errors.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable, toDisposable} from '../../runtime/disposable.ts';
import type {Random} from '../../runtime/random.ts';
import type {Surface, SurfaceCall, SurfaceCaller, SurfaceChange} from '../surface.ts';
import {type Actor, type AdmitAttempt, actorOf} from './actor.ts';
import type {ReadPlan} from './attemptDelegation.ts';
import {ATTEMPT_TOOLS} from './attemptTools.ts';
import {FLEET_TOOLS} from './fleetTools.ts';
import {HubClients} from './hubClients.ts';
import {failure, type HubTool} from './hubTool.ts';
import {MAILBOX_TOOLS} from './mailboxTools.ts';
import {MEMORY_TOOLS} from './memoryTools.ts';
import {PERSON_TOOLS} from './personTools.ts';
import {HUB_PROMPTS, hubPrompt} from './prompts.ts';
import {
  checkOwn,
  listResources,
  parseResource,
  RESOURCE_TEMPLATES,
  readResource,
  watchedBy,
} from './resources.ts';
import {SESSION_TOOLS} from './sessionTools.ts';
import {taskTools} from './taskTools.ts';

export interface HubSurfaceOptions {
  readonly hub: Pick<Hub, 'dispatch'>;
  readonly admitAttempt: AdmitAttempt;
  readonly readPlan: ReadPlan;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How long the connection of a principal that asks nothing is kept. Default 60 s. */
  readonly idleMs?: number;
}

interface Listening {
  readonly clientKey: string;
  readonly listener: (change: SurfaceChange) => void;
}

/** Values that a completion proposes. */
const MAX_COMPLETIONS = 100;

export class HubSurface implements Surface, Disposable {
  private readonly clients: HubClients;
  private readonly byName: ReadonlyMap<string, HubTool>;
  /** One list for each kind of caller: it never changes. */
  private readonly lists: Readonly<Record<'client' | 'attempt' | 'backup', readonly Tool[]>>;
  private readonly listening = new Set<Listening>();
  /** What hangs on a client, by its key. */
  private readonly kept = new Map<string, DisposableStore>();

  constructor(private readonly options: HubSurfaceOptions) {
    this.clients = new HubClients(options);
    const tools = [
      ...FLEET_TOOLS,
      ...SESSION_TOOLS,
      ...taskTools(options.readPlan),
      ...ATTEMPT_TOOLS,
      ...MEMORY_TOOLS,
      ...MAILBOX_TOOLS,
      ...PERSON_TOOLS,
    ];
    this.byName = new Map(tools.map(tool => [tool.tool.name, tool]));
    const list = (fits: (tool: HubTool) => boolean) => tools.filter(fits).map(({tool}) => tool);
    this.lists = {
      client: list(({scope}) => scope !== 'attempt'),
      attempt: list(({scope}) => scope !== 'client'),
      backup: list(({scope, readOnly}) => scope !== 'client' && readOnly),
    };
  }

  tools(caller: SurfaceCaller): Promise<readonly Tool[]> {
    if (!isForUs(caller)) return Promise.resolve([]);
    return this.as(caller, actor => Promise.resolve(this.lists[kindOf(actor)]));
  }

  async callTool(params: CallToolRequest['params'], call: SurfaceCall): Promise<CallToolResult | undefined> {
    const tool = this.byName.get(params.name);
    if (!tool) return undefined;
    const {clock, random, logger} = this.options;
    let actor: Actor;
    try {
      actor = await actorOf(call.principal, this.clients, this.options.admitAttempt);
    } catch (error) {
      return failure(error, params.name, logger);
    }
    try {
      const refused = refusal(tool, actor);
      if (refused !== undefined)
        return {isError: true, content: [{type: 'text', text: `forbidden: ${refused}`}]};
      return await tool.call(params.arguments, {actor, call, clock, random}, logger);
    } finally {
      actor.dispose();
    }
  }

  resources(caller: SurfaceCaller): Promise<readonly Resource[]> {
    if (!isForUs(caller)) return Promise.resolve([]);
    return this.as(caller, actor => listResources(actor, this.options.clock));
  }

  resourceTemplates(caller: SurfaceCaller): Promise<readonly ResourceTemplateType[]> {
    return Promise.resolve(isForUs(caller) ? RESOURCE_TEMPLATES : []);
  }

  async readResource(uri: string, call: SurfaceCall): Promise<ReadResourceResult | undefined> {
    const name = parseResource(uri);
    if (!name) return undefined;
    return this.as(call, async actor => {
      const text = await readResource(name, actor, this.options.clock);
      return {contents: [{uri, mimeType: 'application/json', text}]};
    });
  }

  async subscribe(uri: string, caller: SurfaceCaller): Promise<Disposable | undefined> {
    const name = parseResource(uri);
    if (!name) return undefined;
    const actor = await this.actor(caller);
    try {
      checkOwn(name, actor);
    } catch (error) {
      actor.dispose();
      throw sdkError(error);
    }
    const {selector, concerns} = watchedBy(name);
    let whole = false;
    const watch = actor.client.watch(selector, update => {
      const dirty = dirtyRows(update);
      const concerned =
        dirty === 'all' || (dirty !== undefined && [...dirty].some(key => concerns(rowNamed(key))));
      // The first snapshot is what the client has read, or is about to.
      if (whole && concerned) this.tell(caller.clientKey, {kind: 'resource', uri});
      if (dirty === 'all') whole = true;
    });
    return this.keep(caller.clientKey, () => {
      watch.dispose();
      actor.dispose();
    });
  }

  prompts(caller: SurfaceCaller): Promise<readonly Prompt[]> {
    return Promise.resolve(isForUs(caller) && !caller.principal.attempt ? HUB_PROMPTS : []);
  }

  async getPrompt(
    params: GetPromptRequest['params'],
    call: SurfaceCall,
  ): Promise<GetPromptResult | undefined> {
    if (call.principal.attempt || !HUB_PROMPTS.some(({name}) => name === params.name)) return undefined;
    return this.as(call, actor => hubPrompt(params, actor, this.options.clock));
  }

  /** Ids of sessions, the newest first, and of agents. */
  async complete(
    {ref, argument}: CompleteRequest['params'],
    call: SurfaceCall,
  ): Promise<CompleteResult | undefined> {
    const ours =
      ref.type === 'ref/prompt'
        ? HUB_PROMPTS.some(({name}) => name === ref.name)
        : RESOURCE_TEMPLATES.some(({uriTemplate}) => uriTemplate === ref.uri);
    if (!ours) return undefined;
    if (argument.name !== 'sessionId') return {completion: {values: []}};
    return this.as(call, async ({client, attempt}) => {
      const rows = attempt ? [] : await snapshotRows(client, {view: 'sessions'}, this.options.clock);
      const sessions = rows.flatMap(row => (row.kind === 'session' ? [row.session] : []));
      const values = sessions
        .sort((a, b) => b.createdAt - a.createdAt)
        .map(({id}) => id)
        .filter(id => id.startsWith(argument.value));
      const hasMore = values.length > MAX_COMPLETIONS;
      return {completion: {values: values.slice(0, MAX_COMPLETIONS), total: values.length, hasMore}};
    });
  }

  /** Sessions that come and go change the list of resources; tools and prompts are always the same. */
  onChange(caller: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    const {clientKey, principal} = caller;
    const entry = {clientKey, listener};
    this.listening.add(entry);
    const watched =
      principal.attempt || !isForUs(caller) ? noDisposable : this.watchSessions(caller, listener);
    return toDisposable(() => {
      this.listening.delete(entry);
      watched.dispose();
    });
  }

  release(clientKey: string): void {
    this.kept.get(clientKey)?.dispose();
    this.kept.delete(clientKey);
    for (const entry of this.listening) if (entry.clientKey === clientKey) this.listening.delete(entry);
  }

  dispose(): void {
    for (const store of this.kept.values()) store.dispose();
    this.kept.clear();
    this.listening.clear();
    this.clients.dispose();
  }

  private watchSessions({principal}: SurfaceCaller, listener: (change: SurfaceChange) => void): Disposable {
    const held = this.clients.hold(principal);
    let known: ReadonlySet<string> | undefined;
    const watch = held.client.watch({view: 'sessions'}, update => {
      if (update.kind === 'failed') return;
      const now = new Set(watch.rows.keys());
      const same = known?.size === now.size && [...now].every(id => known?.has(id));
      if (known && !same) listener({kind: 'resources'});
      known = now;
    });
    return toDisposable(() => {
      watch.dispose();
      held.dispose();
    });
  }

  private tell(clientKey: string, change: SurfaceChange): void {
    for (const entry of this.listening) if (entry.clientKey === clientKey) entry.listener(change);
  }

  private keep(clientKey: string, dispose: () => void): Disposable {
    const store = this.kept.get(clientKey) ?? new DisposableStore();
    this.kept.set(clientKey, store);
    const member = store.add(toDisposable(dispose));
    return {dispose: () => store.delete(member)};
  }

  private async actor({principal}: SurfaceCaller): Promise<Actor> {
    try {
      return await actorOf(principal, this.clients, this.options.admitAttempt);
    } catch (error) {
      throw sdkError(error);
    }
  }

  private async as<T>(caller: SurfaceCaller, work: (actor: Actor) => Promise<T>): Promise<T> {
    const actor = await this.actor(caller);
    try {
      return await work(actor);
    } catch (error) {
      throw sdkError(error);
    } finally {
      actor.dispose();
    }
  }
}

/** An agent has a connection of its own for what it does; its attempts come with tokens of theirs. */
function isForUs({principal: {role, attempt}}: SurfaceCaller): boolean {
  return attempt !== undefined || (role !== 'agent' && role !== 'peer');
}

function kindOf({attempt}: Actor): 'client' | 'attempt' | 'backup' {
  if (!attempt) return 'client';
  return attempt.backup ? 'backup' : 'attempt';
}

/** Whoever knows a tool's name and may not use it is told why. */
function refusal({scope, readOnly, tool}: HubTool, actor: Actor): string | undefined {
  const kind = kindOf(actor);
  if (scope === 'attempt' && kind === 'client') return `${tool.name} is for attempts`;
  if (scope === 'client' && kind !== 'client') return `an attempt may not use ${tool.name}`;
  if (kind !== 'backup' || readOnly) return undefined;
  return `attempt ${actor.attempt?.attemptId} runs beside another one that has the fence of their task: it may look, and change nothing`;
}

function rowNamed(key: string): {readonly kind: 'task'; readonly id: string} {
  const slash = key.indexOf('/');
  return {kind: key.slice(0, slash) as 'task', id: key.slice(slash + 1)};
}

/** Codes of JSON-RPC are MCP's too; ours travel as they are. */
function sdkError(error: unknown): SdkError {
  if (error instanceof SdkError) return error;
  const {kind, message, data} = wireError(error);
  return new SdkError(ERROR_CODES[kind], message, data);
}

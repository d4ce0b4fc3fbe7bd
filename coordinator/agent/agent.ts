/** The process beside Claude Code: joins a hub, works off its attempts, and leaves. How it is started from the command line is runAgent.ts. */
import {mkdir} from 'node:fs/promises';
import os from 'node:os';
import {Connection} from '../client/connection.ts';
import {nodeSocket} from '../client/nodeSocket.ts';
import type {TaskAssign} from '../protocol/commands/attempt.ts';
import type {ParamsInput} from '../protocol/commands/table.ts';
import type {AgentLoad} from '../protocol/instance.ts';
import {atMost, delay, every} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {DisposableStore} from '../runtime/disposable.ts';
import {agentCommands} from './agentCommands.ts';
import {machineResources, measureLoad} from './agentLoad.ts';
import type {AgentOptions} from './agentOptions.ts';
import {type AgentParts, acquireParts, releaseParts} from './agentParts.ts';
import {AgentReports} from './agentReports.ts';
import {AgentSettings} from './agentSettings.ts';
import {HUB_SERVER, McpDoor} from './delegation/mcpDoor.ts';
import {TaskDesk} from './delegation/taskDesk.ts';
import type {McpEndpoint} from './driver.ts';
import {KeptReports} from './keptReports.ts';
import {AgentLink, type LinkHooks, type Registered} from './link/agentLink.ts';
import {CompletionSender} from './link/completionSender.ts';
import {resendRecovered} from './link/recovery.ts';
import {MemoryDoor} from './memory/memoryDoor.ts';
import {MemoryReplica} from './memory/memoryReplica.ts';
import {AgentCounters} from './runner/agentCounters.ts';
import {Approvals} from './runner/approvals.ts';
import {Attempts} from './runner/attempts.ts';
import {GateRunner} from './runner/gates/gateRunner.ts';
import {OfflineGuard} from './runner/offlineGuard.ts';
import {MAX_HUB_FAULTS} from './runner/prepareAttempt.ts';
import type {RunnerServices} from './runner/runnerServices.ts';
import {Secrets} from './runner/secrets.ts';
import {StartGate} from './runner/startGate.ts';

export type AgentEnd =
  /** `stop` was called. */
  | {readonly kind: 'stopped'}
  /** Another process has joined under this agent's id: coming back would start a fight. */
  | {readonly kind: 'refused'; readonly error: Error};

const MAX_HELD = 4096;
const STOP_CHECK_MS = 100;
/** What is given back at the end is on disk; that the hub hears of it at once merely saves time. */
const GIVE_BACK_MS = 3000;
/** Who waits to be dialled has no reason to pause. */
const LISTENING = {minBackoffMs: 50, maxBackoffMs: 500};

export class Agent {
  readonly attempts: Attempts;
  readonly link: AgentLink;
  /** Its share of shared memory. */
  readonly memory: MemoryReplica;
  private readonly memoryDoor: MemoryDoor;
  private readonly mcpDoor: McpDoor;
  private readonly owned = new DisposableStore();
  private readonly counters = new AgentCounters();
  private readonly approvals: Approvals;
  private readonly gates: GateRunner;
  private readonly reports: AgentReports;
  private readonly kept: KeptReports;
  private readonly over = deferred<AgentEnd>();
  /** Aborted when a stop is to wait for nothing any more. */
  private readonly hurry = new AbortController();
  private readonly recovered: Promise<void>;
  private stopping: Promise<void> | undefined;

  private constructor(
    private readonly options: AgentOptions,
    private readonly settings: AgentSettings,
    private readonly parts: AgentParts,
    private readonly hubUrl: () => string,
  ) {
    const {clock, random, logger} = options;
    this.link = this.makeLink();
    const {link} = this;
    this.approvals = new Approvals(link, random);
    this.memory = this.owned.add(
      new MemoryReplica({
        ...{link, clock, logger, log: parts.memoryWrites, incarnation: parts.incarnation},
        syncMs: settings.memorySyncMs,
        maxPendingBytes: settings.memoryPendingBytes,
      }),
    );
    const desk = new TaskDesk({link, clock});
    this.memoryDoor = new MemoryDoor({memory: this.memory, desk, random, logger});
    const hub = () => ({url: hubUrl(), ca: options.hub.ca?.()});
    this.mcpDoor = new McpDoor({hub, clock, random, logger});
    this.reports = new AgentReports({...this.reportsOptions(), link});
    this.kept = this.owned.add(this.keptReports());
    const services = this.services();
    this.attempts = new Attempts(services, options.maxConcurrentTasks);
    this.gates = new GateRunner(this.attempts, services);
    const guard = new OfflineGuard(this.attempts, link, clock, settings.maxOfflineMs);
    this.owned.add(guard);
    this.owned.add(every(clock, settings.metricsMs, () => this.reports.metrics(this.attempts.usage())));
    const {spool, left} = parts;
    const {completions, memory} = services;
    this.recovered = resendRecovered(left, {spool, link, completions, memory, clock, logger, settings});
  }

  /**
   * Takes the state directory, ends what an earlier run left there, and begins to connect. Throws `conflict` when another agent has the
   * directory, `config` for settings that cannot work, `unavailable` when no supervisor can be started.
   */
  static async start(options: AgentOptions): Promise<Agent> {
    const settings = AgentSettings.parse(options.settings ?? {});
    let urlNow: () => string | undefined = () => undefined;
    const hubUrl = (): string => urlNow() ?? options.hub.urls[0] ?? '';
    const parts = await acquireParts(options, settings, hubUrl);
    await mkdir(parts.state.file('claude'), {recursive: true, mode: 0o700});
    const agent = new Agent(options, settings, parts, hubUrl);
    // Of an agent that is dialled the address is its own.
    urlNow = () => (parts.listening ? undefined : agent.link.url);
    try {
      await agent.memoryDoor.open();
    } catch (error) {
      await agent.stop('it could not start', {now: true});
      throw error;
    }
    agent.link.start();
    return agent;
  }

  get id(): string {
    return this.parts.state.agentId;
  }

  /** `/agents/ID` of the hub, or the address that it listens on. */
  get endpoint(): string {
    return this.parts.listening?.url ?? `/agents/${this.id}`;
  }

  get incarnation(): string {
    return this.parts.incarnation;
  }

  /** Resolves when the agent has ended and everything it had is released. */
  get ended(): Promise<AgentEnd> {
    return this.over.promise;
  }

  /** Takes no more attempts, or takes them again; those that run go on. The hub is told. */
  drain(drain: boolean): void {
    this.attempts.draining = drain;
    const {logger} = this.options;
    this.link
      .request('mcpx.agent.drain', {agentId: this.id, drain})
      .catch((error: unknown) => logger.warn('the hub was not told of the drain', {error}));
  }

  /**
   * Drains, waits for the attempts however long they take, says goodbye. With `now` attempts are ended and given back. Completions that the
   * hub has not taken stay on disk.
   */
  stop(reason: string, options: {readonly now?: boolean} = {}): Promise<void> {
    if (options.now) this.hurry.abort();
    this.stopping ??= this.shutDown(reason, {kind: 'stopped'});
    return this.stopping;
  }

  private async shutDown(reason: string, end: AgentEnd): Promise<void> {
    const {logger} = this.options;
    if (!this.hurry.signal.aborted) {
      this.drain(true);
      await this.orLater(Promise.all([this.attempts.settled(), this.recovered]), signal =>
        this.unheard(AbortSignal.any([this.hurry.signal, signal])),
      );
    }
    if (end.kind === 'stopped') await this.giveBack(reason);
    await this.attempts.close();
    this.owned.dispose();
    await this.link.stop(reason);
    // The link's end ends whatever still waited for it.
    await Promise.all([this.attempts.settled(), this.recovered]);
    await Promise.all([this.memoryDoor.close(), this.mcpDoor.close()]);
    await releaseParts(this.parts);
    logger.info('the agent has stopped', {reason});
    this.over.resolve(end);
  }

  /** Resolves when nothing is left but what the hub has not taken for `stopTimeoutMs`; rejects when `signal` is raised. */
  private async unheard(signal: AbortSignal): Promise<void> {
    const {clock} = this.options;
    let since = clock.now();
    while (clock.now() - since < this.settings.stopTimeoutMs) {
      await delay(clock, Math.min(STOP_CHECK_MS, this.settings.stopTimeoutMs), signal);
      // A gate that the hub cannot ask for is as good as none.
      if (this.attempts.busy > 0 || (this.link.isUp && !this.attempts.isIdle)) since = clock.now();
    }
  }

  private async giveBack(reason: string): Promise<void> {
    const given = await this.attempts.giveBack(reason);
    if (!this.link.isUp) return;
    const finished = Promise.all(given.map(attempt => attempt.finished));
    await atMost(this.options.clock, GIVE_BACK_MS, finished);
  }

  /** Waits for `work` or for `later`, whose timers go when it is not waited for any more: one that is left would keep the process. */
  private async orLater(work: Promise<unknown>, later: (over: AbortSignal) => Promise<void>): Promise<void> {
    const over = new AbortController();
    await Promise.race([work, later(over.signal).catch(() => undefined)]);
    over.abort();
  }

  private refused(error: Error): void {
    this.options.logger.error('another agent has joined under this id; this one ends', {error});
    this.hurry.abort();
    this.stopping ??= this.shutDown('replaced', {kind: 'refused', error});
  }

  private makeLink(): AgentLink {
    const {clock, random, logger, hub, version} = this.options;
    const {listening} = this.parts;
    const connect = ({handler, onConnected}: LinkHooks): Connection =>
      new Connection({
        urls: listening ? [listening.url] : hub.urls,
        token: hub.token,
        openSocket: listening?.openSocket ?? nodeSocket({ca: hub.ca}),
        settings: listening ? LISTENING : {},
        ...(listening ? {} : {roaming: this.parts.coordinators}),
        clock,
        random,
        logger,
        implementation: {name: 'mcpx-agent', version},
        handler,
        onConnected,
      });
    return new AgentLink({
      agentId: this.id,
      incarnation: this.incarnation,
      connect,
      handler: agentCommands(() => ({
        agentId: this.id,
        clock,
        attempts: this.attempts,
        gates: this.gates,
        approvals: this.approvals,
        memory: this.memory,
        load: () => this.load(),
      })),
      clock,
      random,
      logger,
      settings: this.settings,
      registration: () => this.registration(),
      registered: answer => this.registered(answer),
      load: () => this.load(),
      refused: error => this.refused(error),
    });
  }

  private services(): RunnerServices {
    const {options, settings, parts, link, counters, approvals} = this;
    const {clock, random, logger} = options;
    const {spool, supervisor, workspaces, environment, drivers, artifacts, artifactCache} = parts;
    const {claude} = environment;
    return {
      agentId: this.id,
      clock,
      random,
      logger,
      settings,
      link,
      spool,
      completions: new CompletionSender(spool.completions, link, logger),
      approvals,
      memory: this.memory,
      memoryDoor: this.memoryDoor,
      mcpDoor: this.mcpDoor,
      counters,
      drivers,
      supervisor,
      workspaces,
      artifacts: artifactCache,
      claudeVersion: claude.kind === 'ready' ? claude.version : undefined,
      secrets: new Secrets(options.env, options.secretsFile, logger),
      startGate: new StartGate(settings.claudeStarts || os.availableParallelism()),
      environment: environment.environment,
      environmentOf: slot => environment.ofSlot(slot),
      worktreeOf: attemptId => ({hostname: os.hostname(), path: workspaces.worktreeOf(attemptId)}),
      mcpServers: async assign => {
        const others = options.mcpServers?.(assign);
        return assign.task.hubTools ? {...others, [HUB_SERVER]: await this.admitToTools(assign)} : others;
      },
      hubUrl: this.hubUrl,
      upload: async (content, signal) => (await artifacts.upload(content, signal)).sha256,
      rateLimited: limit => this.reports.rateLimited(limit),
    };
  }

  /** As long as the attempt is current: the hub looks at its fence with every call. */
  private admitToTools({attemptId, fence}: TaskAssign): Promise<McpEndpoint> {
    const maxFaults = MAX_HUB_FAULTS;
    return this.mcpDoor.admit(attemptId, async () => {
      const {token} = await this.link.deliver('mcpx.attempt.token', {attemptId, fence}, {maxFaults});
      return token;
    });
  }

  private reportsOptions() {
    const {clock, logger} = this.options;
    const {spool, account} = this.parts;
    const {counters, incarnation, id: agentId} = this;
    return {agentId, incarnation, account, clock, logger, counters, spool};
  }

  private keptReports(): KeptReports {
    const {clock, logger} = this.options;
    const {link, incarnation, id: agentId} = this;
    const {workspaces} = this.parts;
    return new KeptReports({
      ...{agentId, incarnation, workspaces, link, clock, logger},
      measureMs: this.settings.keptMs,
    });
  }

  private load(): Promise<AgentLoad> {
    const slots = this.options.maxConcurrentTasks;
    return measureLoad(this.parts.state.path, {running: this.attempts.busy, slots}, this.options.logger);
  }

  private registered({stale}: Registered): void {
    this.parts.artifacts.follow();
    this.attempts.dropStale(stale);
    this.kept.registered();
  }

  private registration(): ParamsInput<'mcpx.agent.register'> {
    const {options, incarnation} = this;
    const held = this.attempts.held();
    const known = new Set(held.map(attempt => attempt.attemptId));
    for (const {attemptId, fence} of this.parts.spool.completions.all())
      if (!known.has(attemptId)) held.push({attemptId, fence, state: 'finished'});
    // Beyond the bound of the message: what is finished is sent again in any case.
    const attempts = held.slice(0, MAX_HELD);
    return {incarnation, mode: options.mode, attempts, instance: this.instance()};
  }

  private instance(): ParamsInput<'mcpx.agent.register'>['instance'] {
    const {options, attempts, id} = this;
    const busy = attempts.busy;
    const working = busy === 0 ? 'idle' : busy < options.maxConcurrentTasks ? 'active' : 'busy';
    return {
      id,
      endpoint: this.endpoint,
      capabilities: [...(options.capabilities ?? [])],
      status: attempts.draining ? 'maintenance' : working,
      metadata: {
        region: options.region ?? 'default',
        version: options.version,
        maxConcurrentTasks: options.maxConcurrentTasks,
        specializations: [...(options.specializations ?? [])],
        performanceMetrics: this.counters.performance(),
        tags: [...(options.tags ?? [])],
        resources: [...(options.resources ?? machineResources())],
        hostname: os.hostname(),
        platform: `${process.platform}-${process.arch}`,
        claude: this.parts.environment.claude,
        account: this.parts.account,
        reservedFor: options.reservedFor,
        rehearsal: options.rehearsal ?? false,
      },
      healthcheck: {lastSeen: options.clock.wallNow(), responseTime: 0, errorRate: 0},
    };
  }
}

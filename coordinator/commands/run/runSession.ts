/** One run from connection to result: workspace sent, agents started, session followed, interrupts obeyed, result fetched. */
import {rm} from 'node:fs/promises';
import path from 'node:path';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import type {SessionReport} from '../../client/report/sessionReport.ts';
import type {LocalRepository} from '../../client/repository/localRepository.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import type {Clock} from '../../runtime/clock.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {artifactClient, openClient, requireTarget, type Target} from '../local/connect.ts';
import {type Directories, directoriesUnder, userDirectories} from '../local/directories.ts';
import {isolatedRoot} from '../local/isolatedRoot.ts';
import {LocalAgents} from '../local/localAgents.ts';
import {
  ensureLocalCoordinator,
  type LocalCoordinator,
  stopLocalCoordinator,
} from '../local/localCoordinator.ts';
import {reviveCoordinator} from '../local/reviveCoordinator.ts';
import {requireServers} from '../local/serversOption.ts';
import {finalLine} from '../report/finalLine.ts';
import {junitXml} from '../report/junit.ts';
import {summary} from '../report/summary.ts';
import {terminalColors, wantsColors} from '../report/terminalText.ts';
import {bringResult} from './bringResult.ts';
import {followSession} from './followSession.ts';
import type {RunOptions} from './runOptions.ts';

/** Local agents that were asked to end are killed after this; their supervisors end what they ran. */
const AGENT_STOP_MS = 10_000;
const CANCEL_TIMEOUT_MS = 60_000;

/** What a run brings into being, or takes up again. */
export interface RunBeginning {
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  readonly signal: AbortSignal;
}

export interface RunSessionParts {
  readonly sessionId: string;
  /** For titles and the order of tasks, where it is known. */
  readonly plan?: Plan | undefined;
  /** Agents to start here; 0 with `--connect`. */
  readonly agents: number;
  readonly options: Pick<RunOptions, 'connect' | 'token' | 'caPin' | 'slots' | 'isolated' | 'keep'> & {
    /** Absolute paths of files with MCP servers, for a coordinator that is started here. */
    readonly servers?: readonly string[] | undefined;
  };
  readonly rehearsalEnv: Readonly<Record<string, string>> | undefined;
  /** Called once the agents are on their way. Resolves with the repository that the result goes into. */
  readonly begin: (beginning: RunBeginning) => Promise<LocalRepository | undefined>;
  /** Called when that has happened, with the number of agents that were started. */
  readonly begun?: ((agents: number) => void) | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly io: CommandIo;
}

export interface RunOutcome {
  readonly exit: number;
  readonly json: string;
  readonly junit: string;
}

export class RunSession {
  private readonly owned = new DisposableStore();
  private readonly cancelled = new AbortController();
  private readonly abandoned = new AbortController();
  private readonly directories: Directories;
  private client: McpxClient | undefined;
  private agents: LocalAgents | undefined;
  private interrupts = 0;
  /** The coordinator ran already. */
  private joined = false;

  constructor(private readonly parts: RunSessionParts) {
    this.directories = parts.options.isolated
      ? directoriesUnder(isolatedRoot(parts.sessionId))
      : userDirectories(parts.io.env);
  }

  /** The first asks the session to end, the second kills the agents of this run and leaves. */
  interrupt(): void {
    this.interrupts += 1;
    const {io, logger} = this.parts;
    if (this.interrupts === 1) {
      io.stderr('\nCancelling: running attempts are stopped. Once more kills them.\n');
      this.cancelled.abort(new CoordinatorError('cancelled', 'cancelled'));
      if (!this.client) return;
      this.cancelSession(this.client).catch((error: unknown) =>
        logger.warn('the session was not cancelled', {error}),
      );
    } else {
      this.agents?.kill();
      this.abandoned.abort();
    }
  }

  /** Ends this run and its agents; the session stays as it is and can be resumed. */
  leave(): void {
    this.parts.io.stderr(
      `Leaving: the session stays. To go on: mcpx sessions resume ${this.parts.sessionId}\n`,
    );
    if (this.abandoned.signal.aborted) this.agents?.kill();
    this.abandoned.abort();
  }

  async run(): Promise<RunOutcome> {
    let fetched = false;
    try {
      const outcome = await this.follow();
      fetched = outcome.exit === EXIT.ok;
      return outcome;
    } finally {
      this.owned.dispose();
      await this.agents?.stop(AGENT_STOP_MS);
      if (this.parts.options.isolated) await this.endIsolation(fetched);
    }
  }

  private async follow(): Promise<RunOutcome> {
    const {parts} = this;
    const {signal} = this.cancelled;
    const target = await this.findCoordinator();
    const client = this.owned.add(await openClient(target, parts.logger, parts.clock));
    this.client = client;
    if (this.joined) await requireServers(client, parts.options.servers ?? []);
    // One with TLS was set up by a person, with names that we do not know: whoever started it starts it again.
    if (parts.options.connect === undefined && target.ca === undefined)
      this.owned.add(
        reviveCoordinator(client, {
          ...{clock: parts.clock, logger: parts.logger, say: text => parts.io.stderr(text)},
          ensure: () => this.ensureCoordinator(),
        }),
      );
    const artifacts = this.owned.add(artifactClient(target, parts.logger, parts.clock, client));
    await this.startAgents(target);
    const repository = await parts.begin({client, artifacts, signal});
    // An interrupt that came before the session existed has not reached it.
    if (signal.aborted) await this.cancelSession(client);
    parts.begun?.(this.agents?.count ?? 0);
    const {sessionId, plan, clock, io} = parts;
    const report = await followSession({client, sessionId, plan, clock, io, abandon: this.abandoned.signal});
    if (!report)
      throw new CoordinatorError('cancelled', `session ${sessionId} was left before anything was seen of it`);
    return this.conclude(report, repository, artifacts);
  }

  private async cancelSession(client: McpxClient): Promise<void> {
    const {sessionId} = this.parts;
    const params = {sessionId, mode: 'cancel', reason: 'cancelled by its owner'} as const;
    await client.request('mcpx.orchestrate.session.end', params, {retry: true, timeoutMs: CANCEL_TIMEOUT_MS});
  }

  /** What an isolated run had goes with it, unless somebody may still want it. */
  private async endIsolation(fetched: boolean): Promise<void> {
    const {sessionId, options, clock, io} = this.parts;
    await stopLocalCoordinator(this.directories, clock);
    const root = isolatedRoot(sessionId);
    if (fetched && !options.keep) await rm(root, {recursive: true, force: true});
    else io.stderr(`Transcripts and worktrees of this run: ${root}\n`);
  }

  private async findCoordinator(): Promise<Target> {
    const {options, io} = this.parts;
    if (options.connect !== undefined) return requireTarget(options, io);
    const {endpoint, started} = await this.ensureCoordinator(this.cancelled.signal);
    this.joined = !started;
    return {url: endpoint.url, token: endpoint.token, ca: endpoint.ca};
  }

  private ensureCoordinator(signal?: AbortSignal): Promise<LocalCoordinator> {
    const {io, clock, options} = this.parts;
    return ensureLocalCoordinator(this.directories, io.env, clock, {signal, servers: options.servers});
  }

  private async startAgents(target: Target): Promise<void> {
    const {parts} = this;
    if (parts.agents === 0) return;
    const {endpoint} = await this.ensureCoordinator(this.cancelled.signal);
    this.agents = new LocalAgents({
      endpoint: {...endpoint, url: target.url},
      sessionId: parts.sessionId,
      count: parts.agents,
      slots: parts.options.slots,
      directories: this.directories,
      env: parts.io.env,
      rehearsalEnv: parts.rehearsalEnv,
      clock: parts.clock,
      logger: parts.logger,
    });
    await this.agents.start();
  }

  private async conclude(
    report: SessionReport,
    repository: LocalRepository | undefined,
    artifacts: ArtifactClient,
  ): Promise<RunOutcome> {
    const {io, clock, logger} = this.parts;
    const {session} = report;
    let complete = session.state === 'succeeded';
    if (session.result && !repository)
      io.stderr(`The coordinator keeps the result. In a clone: mcpx sessions fetch ${session.id}\n`);
    if (session.result && repository) {
      try {
        await bringResult(session, repository, artifacts, logger);
      } catch (error) {
        complete = false;
        io.stderr(
          `The coordinator keeps the result, but it could not be fetched into ${path.basename(repository.root)}: ${describeError(error)}\n`,
        );
      }
    }
    const wallNow = clock.wallNow();
    const colors = terminalColors(wantsColors(io.env, io.interactive));
    io.stdout(`${summary(report, {wallNow, columns: io.columns, colors})}\n`);
    const cancelled = session.state === 'cancelled' || this.abandoned.signal.aborted;
    const exit = complete ? EXIT.ok : cancelled ? EXIT.cancelled : EXIT.failed;
    return {exit, json: finalLine(report, wallNow), junit: junitXml(report, wallNow)};
  }
}

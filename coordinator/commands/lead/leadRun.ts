/** One lead from its start to the branch that it leaves: a session, agents, Claude Code in the terminal, and the way out. */
import path from 'node:path';
import {attemptEnvironment} from '../../agent/claudeSetup/attemptEnvironment.ts';
import {McpDoor} from '../../agent/delegation/mcpDoor.ts';
import {formatAttemptMarker} from '../../agent/rehearsal/attemptMarker.ts';
import type {RehearsalServer} from '../../agent/rehearsal/rehearsalServer.ts';
import type {ArtifactClient} from '../../artifacts/artifactClient.ts';
import type {McpxClient} from '../../client/mcpxClient.ts';
import type {SessionReport} from '../../client/report/sessionReport.ts';
import {LEADING} from '../../mcp/tools/prompts.ts';
import {createLogger, type Logger} from '../../observability/logger.ts';
import {systemClock} from '../../runtime/clock.ts';
import {DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import {newId, systemRandom} from '../../runtime/random.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {artifactClient, namedCoordinator, openClient, requireTarget, type Target} from '../local/connect.ts';
import {type Directories, userDirectories} from '../local/directories.ts';
import type {LocalAgents} from '../local/localAgents.ts';
import {ensureLocalCoordinator, type LocalCoordinator} from '../local/localCoordinator.ts';
import {reviveCoordinator} from '../local/reviveCoordinator.ts';
import {refuseServersElsewhere, requireServers, serverFilesOf} from '../local/serversOption.ts';
import {summary} from '../report/summary.ts';
import {terminalColors, wantsColors} from '../report/terminalText.ts';
import {bringResult} from '../run/bringResult.ts';
import {startRehearsal} from '../run/rehearsal.ts';
import {readyClaude} from '../run/requireClaude.ts';
import {claimRun, forgetRun, type RunClaim, writeRun} from '../run/runFolders.ts';
import {HeldOutput} from './heldOutput.ts';
import {haveJoined, readyAgents, startLeadAgents} from './leadAgents.ts';
import {type LeadClaude, runLeadClaude} from './leadClaude.ts';
import {beginLeadSession, endLeadSession, type LeadGround} from './leadSession.ts';
import {rehearsedEnvironment} from './rehearsedClaude.ts';
import {unfinishedHere} from './unfinishedHere.ts';

export interface LeadOptions {
  readonly goal?: string;
  readonly connect?: string;
  readonly token?: string;
  readonly caPin?: string;
  readonly here?: boolean;
  readonly agents?: number;
  readonly slots: number;
  readonly uncommitted: boolean;
  readonly rehearse?: string;
  readonly servers?: readonly string[];
  readonly verbose: boolean;
}

export const DEFAULT_LEAD_AGENTS = 3;
const AGENT_STOP_MS = 10_000;
/** By which a script knows the lead. */
const LEAD_ROLE = 'lead';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The coordinator, and how it is this machine's. */
interface Place {
  readonly target: Target;
  /** Undefined: elsewhere. */
  readonly local: LocalPlace | undefined;
}

interface LocalPlace {
  /** It ran already. */
  readonly joined: boolean;
  /** Files of MCP servers that are to be behind it. */
  readonly servers: readonly string[];
  /** Starts it again where it has gone. */
  readonly ensure: () => Promise<LocalCoordinator>;
}

export class LeadRun {
  private readonly owned = new DisposableStore();
  private readonly left = new AbortController();
  private readonly sessionId = newId(systemRandom, 's');
  private readonly directories: Directories;
  private readonly output: HeldOutput;
  /** The person's, whom we tell nothing while Claude Code draws on their terminal. */
  private readonly io: CommandIo;
  private readonly logger: Logger;
  private readonly script: string | undefined;
  private agents: LocalAgents | undefined;
  private isWithClaude = false;
  private isHungUp = false;

  constructor(
    private readonly options: LeadOptions,
    private readonly args: readonly string[],
    io: CommandIo,
  ) {
    this.output = new HeldOutput(text => io.stderr(text));
    this.io = {...io, stderr: text => this.output.say(text)};
    this.directories = userDirectories(io.env);
    this.script = options.rehearse === undefined ? undefined : path.resolve(io.cwd, options.rehearse);
    this.logger = createLogger({
      sink: {write: line => this.io.stderr(`${line}\n`)},
      level: options.verbose ? 'debug' : 'error',
      format: 'text',
      wallNow: systemClock.wallNow,
    });
  }

  /** Resolves with Claude Code's exit code. */
  async run(): Promise<number> {
    const {script, logger} = this;
    const listeners = SIGNALS.map(signal => [signal, () => this.leave(signal)] as const);
    for (const [signal, listener] of listeners) process.on(signal, listener);
    let rehearsal: RehearsalServer | undefined;
    try {
      rehearsal = script === undefined ? undefined : await startRehearsal({script}, systemClock, logger);
      return await this.lead(rehearsal);
    } catch (error) {
      if (!this.left.signal.aborted) throw error;
      return EXIT.cancelled;
    } finally {
      this.owned.dispose();
      await this.agents?.stop(AGENT_STOP_MS);
      await rehearsal?.stop();
      for (const [signal, listener] of listeners) process.off(signal, listener);
      // As it ends whoever does not listen. An end of our own would put a terminal in order that is not there, of which Node dies.
      if (this.isHungUp) process.kill(process.pid, 'SIGHUP');
    }
  }

  /** While Claude Code has the terminal, an interrupt is its business. At the second one nobody is waited for. */
  private leave(signal: (typeof SIGNALS)[number]): void {
    if (this.isWithClaude && signal === 'SIGINT') return;
    if (signal === 'SIGHUP') this.isHungUp = true;
    if (this.left.signal.aborted) this.agents?.kill();
    this.left.abort(new CoordinatorError('cancelled', 'the lead was left'));
  }

  private async lead(rehearsal: RehearsalServer | undefined): Promise<number> {
    const {logger} = this;
    const claude = await this.claude(rehearsal);
    const place = await this.findCoordinator();
    const client = this.owned.add(await openClient(place.target, logger));
    const artifacts = this.owned.add(artifactClient(place.target, logger, systemClock, client));
    if (place.local) await this.settleHere(client, place.local);
    const count = await this.wantedAgents(client, place, rehearsal);
    const claim = await this.claim(count);
    let begun = false;
    try {
      await this.startAgents(client, place, count, rehearsal);
      const ground = await this.begin(client, artifacts, count, rehearsal);
      begun = true;
      return await this.withClaude(
        claude,
        client,
        place.target,
        this.instructions(ground, rehearsal),
      ).finally(() => this.conclude(client, artifacts, ground));
    } finally {
      await claim.release();
      if (!begun) await forgetRun(this.directories, this.sessionId);
    }
  }

  private async claude(
    rehearsal: RehearsalServer | undefined,
  ): Promise<Pick<LeadClaude, 'executable' | 'env'>> {
    const {env} = this.io;
    const base = attemptEnvironment(env);
    if (!rehearsal) {
      const {path: executable} = await readyClaude(base);
      // The person's own, with the editor that they may be in; what opens the coordinator is not for what Claude Code runs.
      return {executable, env: {...env, CLAUDECODE: undefined, MCPX_TOKEN: undefined}};
    }
    const folder = path.join(this.directories.agents, 'lead');
    const played = await rehearsedEnvironment(base, rehearsal, folder);
    const {path: executable} = await readyClaude(played);
    return {executable, env: played};
  }

  private async findCoordinator(): Promise<Place> {
    const {options, io, directories, left} = this;
    if (options.rehearse !== undefined && options.connect !== undefined)
      throw new CoordinatorError('config', '--rehearse runs on this machine: it does not go with --connect');
    const isHere = options.here || options.rehearse !== undefined;
    const named = isHere ? undefined : await namedCoordinator(options, io);
    if (named !== undefined) {
      refuseServersElsewhere(options.servers, named);
      return {target: await requireTarget({...options, connect: named}, io), local: undefined};
    }
    const servers = await serverFilesOf(options.servers, io);
    const ensure = (signal?: AbortSignal): Promise<LocalCoordinator> =>
      ensureLocalCoordinator(directories, io.env, systemClock, {servers, signal});
    const {endpoint, started} = await ensure(left.signal);
    const {url, token, ca} = endpoint;
    return {target: {url, token, ca}, local: {joined: !started, servers, ensure: () => ensure()}};
  }

  private async settleHere(client: McpxClient, {joined, servers, ensure}: LocalPlace): Promise<void> {
    const {io, directories, logger} = this;
    if (joined) await requireServers(client, servers);
    this.owned.add(
      reviveCoordinator(client, {ensure, clock: systemClock, logger, say: text => io.stderr(text)}),
    );
    for (const {id, name} of await unfinishedHere(client, directories, io.cwd))
      io.stderr(
        `Session ${id} (${name}) was begun here and nobody works for it now. To go on: mcpx sessions resume ${id}. To end it: mcpx sessions cancel ${id}\n`,
      );
  }

  /** As many as were asked for; without a word some where nobody else would do the work. */
  private async wantedAgents(
    client: McpxClient,
    {local}: Place,
    rehearsal: RehearsalServer | undefined,
  ): Promise<number> {
    const {agents} = this.options;
    if (local) return agents ?? (!rehearsal && (await readyAgents(client)) > 0 ? 0 : DEFAULT_LEAD_AGENTS);
    if (agents === undefined) return 0;
    throw new CoordinatorError(
      'config',
      "--agents starts agents of this machine's coordinator: elsewhere they join by themselves",
    );
  }

  /** The session is ours until that is released; what it was begun with is kept for whoever resumes it. */
  private async claim(agents: number): Promise<RunClaim> {
    const {directories, sessionId, options, io, script} = this;
    const {slots, connect, caPin, uncommitted, verbose} = options;
    await writeRun(
      directories,
      {
        ...{v: 1, kind: 'run', session: sessionId, startedAt: systemClock.wallNow(), folder: io.cwd},
        ...{agents, slots, connect, caPin, script, rehearse: script !== undefined, uncommitted, verbose},
        ...{keep: false, lead: true},
      },
      undefined,
    );
    return claimRun(directories, sessionId, systemRandom);
  }

  private async startAgents(
    client: McpxClient,
    {target, local}: Place,
    count: number,
    rehearsal: RehearsalServer | undefined,
  ): Promise<void> {
    const {options, io, sessionId, logger, directories, left} = this;
    if (!local || count === 0) return;
    io.stderr(`Starting ${agentsText(count)} on this machine …\n`);
    const {endpoint} = await local.ensure();
    this.agents = await startLeadAgents({
      ...{directories, sessionId, logger, clock: systemClock, env: io.env, count, slots: options.slots},
      endpoint: {...endpoint, url: target.url},
      rehearsalEnv: rehearsal?.env,
    });
    if ((await haveJoined(client, {sessionId, count}, left.signal)) || left.signal.aborted) return;
    io.stderr(`Not all of them have joined yet; their logs are in ${directories.logs}.\n`);
  }

  private async begin(
    client: McpxClient,
    artifacts: ArtifactClient,
    agents: number,
    rehearsal: RehearsalServer | undefined,
  ): Promise<LeadGround | undefined> {
    const {io, sessionId, options, left} = this;
    left.signal.throwIfAborted();
    const ground = await beginLeadSession({
      ...{client, artifacts, sessionId, io, signal: left.signal},
      name: options.goal?.split('\n', 1)[0]?.slice(0, 80) ?? 'lead',
      uncommitted: options.uncommitted,
      rehearsal: rehearsal !== undefined,
    });
    const start = ground
      ? `begin with commit ${ground.commit.slice(0, 12)} of ${ground.repository.root}`
      : 'get empty folders, since this one is in no git repository';
    const who = agents > 0 ? `its ${agentsText(agents)}` : 'the agents that are there';
    io.stderr(`Session ${sessionId} is open for ${who}: tasks ${start}.\n`);
    return ground;
  }

  private instructions(ground: LeadGround | undefined, rehearsal: RehearsalServer | undefined): string {
    const {sessionId, io} = this;
    const where = ground
      ? `Tasks in it work on the commit that this folder's repository (${ground.repository.root}) is at now; when you leave, their merged result becomes the branch mcpx/${sessionId}.`
      : 'Tasks in it work in empty folders, since this folder is in no git repository.';
    const text = `${LEADING}\n\nYour session is ${sessionId}: it is open, name it as "sessionId" wherever one is asked for. ${where}`;
    if (!rehearsal) return text;
    const marker = {taskId: LEAD_ROLE, attempt: 1, worktree: io.cwd, session: sessionId};
    return `${formatAttemptMarker(marker)}\n\n${text}`;
  }

  private async withClaude(
    claude: Pick<LeadClaude, 'executable' | 'env'>,
    client: McpxClient,
    target: Target,
    instructions: string,
  ): Promise<number> {
    const {io, logger, options, args, sessionId, output, left} = this;
    // An interrupt that came before has to be heard here: from now on it is Claude Code's.
    if (left.signal.aborted) return EXIT.cancelled;
    const door = new McpDoor({
      hub: () => ({url: client.connection.url, ca: target.ca}),
      clock: systemClock,
      random: systemRandom,
      logger,
    });
    this.isWithClaude = true;
    if (io.interactive) output.hold();
    try {
      const hub = await door.admit(sessionId, async () => target.token ?? '');
      return await runLeadClaude({...claude, hub, instructions, goal: options.goal, args, cwd: io.cwd});
    } finally {
      this.isWithClaude = false;
      output.release();
      await door.close();
    }
  }

  private async conclude(
    client: McpxClient,
    artifacts: ArtifactClient,
    ground: LeadGround | undefined,
  ): Promise<void> {
    const {io, sessionId} = this;
    try {
      const end = await endLeadSession(client, sessionId, this.left.signal, io);
      if (end.kind === 'left')
        io.stderr(
          this.agents
            ? `Left: session ${sessionId} waits, since its agents end with us. To go on: mcpx sessions resume ${sessionId}\n`
            : `Left: session ${sessionId} goes on without us. Its result: mcpx sessions fetch ${sessionId}\n`,
        );
      if (end.kind === 'over') await this.tellEnd(end.report, artifacts, ground);
    } catch (error) {
      // What Claude Code ended with counts.
      io.stderr(
        `The result stays with the coordinator (mcpx sessions fetch ${sessionId}): ${describeError(error)}\n`,
      );
    }
  }

  private async tellEnd(
    report: SessionReport,
    artifacts: ArtifactClient,
    ground: LeadGround | undefined,
  ): Promise<void> {
    const {io, logger} = this;
    if (ground && report.session.result)
      await bringResult(report.session, ground.repository, artifacts, logger);
    const colors = terminalColors(wantsColors(io.env, io.interactive));
    io.stderr(`${summary(report, {wallNow: systemClock.wallNow(), columns: io.columns, colors})}\n`);
  }
}

function agentsText(count: number): string {
  return count === 1 ? 'one agent' : `${count} agents`;
}

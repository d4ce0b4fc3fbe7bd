/** `mcpx lead`: the user's own Claude Code, in this folder, with the fleet at hand. */
import {readFile} from 'node:fs/promises';
import path from 'node:path';
import type {Command} from 'commander';
import {attemptEnvironment} from '../agent/claudeSetup/attemptEnvironment.ts';
import {withConfigurationFolder, withoutModelAccess} from '../agent/claudeSetup/authentication.ts';
import {McpDoor} from '../agent/delegation/mcpDoor.ts';
import {formatAttemptMarker} from '../agent/rehearsal/attemptMarker.ts';
import {type RehearsalServer, startRehearsalServer} from '../agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../agent/rehearsal/script.ts';
import type {McpxClient} from '../client/mcpxClient.ts';
import {untilView} from '../client/orchestrator/untilView.ts';
import type {LocalRepository} from '../client/repository/localRepository.ts';
import {snapshotRows} from '../client/snapshotRows.ts';
import {LEADING} from '../mcp/tools/prompts.ts';
import {createLogger, type Logger} from '../observability/logger.ts';
import type {Row} from '../protocol/commands/watch.ts';
import type {SessionRecord} from '../protocol/model/session.ts';
import {systemClock} from '../runtime/clock.ts';
import {DisposableStore} from '../runtime/disposable.ts';
import {CoordinatorError, describeError} from '../runtime/errors.ts';
import {newId, systemRandom} from '../runtime/random.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type LeadClaude, runLeadClaude} from './lead/leadClaude.ts';
import {beginLeadSession, endLeadSession} from './lead/leadSession.ts';
import {artifactClient, namedCoordinator, openClient, requireTarget, type Target} from './local/connect.ts';
import {userDirectories} from './local/directories.ts';
import {LocalAgents} from './local/localAgents.ts';
import {ensureLocalCoordinator} from './local/localCoordinator.ts';
import {count} from './local/options.ts';
import {bringResult} from './run/bringResult.ts';
import {readyClaude} from './run/requireClaude.ts';

interface LeadOptions {
  readonly goal?: string;
  readonly connect?: string;
  readonly token?: string;
  readonly caPin?: string;
  readonly here?: boolean;
  readonly agents?: number;
  readonly slots: number;
  readonly uncommitted: boolean;
  readonly rehearse?: string;
  readonly verbose: boolean;
}

const DEFAULT_AGENTS = 3;
const AGENT_STOP_MS = 10_000;
const JOIN_MS = 20_000;
/** By which a script knows the lead. */
const LEAD_ROLE = 'lead';

export function addLeadCommand(program: Command, io: CommandIo, done: (exit: number) => void): void {
  program
    .command('lead')
    .description(
      'Starts your own Claude Code in this folder with the fleet at hand: it plans, delegates to agents and waits for them by the tools of the coordinator. What follows -- goes to Claude Code. Its exit code is passed on.',
    )
    .argument('[args...]', 'for Claude Code, after --')
    .option('--goal <text>', 'what it begins with')
    .option('--connect <url,...|context>', 'a coordinator elsewhere, and the agents that joined it')
    .option('--token <token>', 'client token for --connect; better in MCPX_TOKEN')
    .option('--ca-pin <pin>', 'sha256:… of the authority behind --connect')
    .option('--here', 'the coordinator of this machine, whatever context is current', false)
    .option(
      '--agents <n>',
      `agents to start on this machine for the time; default: ${DEFAULT_AGENTS} where the coordinator has none`,
      count,
    )
    .option('--slots <n>', 'attempts that one of these agents runs at once', count, 2)
    .option('--uncommitted', 'the tasks begin with uncommitted work too', false)
    .option('--rehearse <script>', 'no model is called: lead and agents play this script')
    .option('--verbose', 'log what happens underneath', false)
    .action(async (args: string[], options: LeadOptions) => done(await new Lead(options, args, io).run()));
}

class Lead {
  private readonly owned = new DisposableStore();
  private readonly left = new AbortController();
  private readonly sessionId = newId(systemRandom, 's');
  private readonly logger: Logger;
  private agents: LocalAgents | undefined;
  private isWithClaude = false;

  constructor(
    private readonly options: LeadOptions,
    private readonly args: readonly string[],
    private readonly io: CommandIo,
  ) {
    this.logger = createLogger({
      sink: {write: line => io.stderr(`${line}\n`)},
      level: options.verbose ? 'debug' : 'error',
      format: 'text',
      wallNow: systemClock.wallNow,
    });
  }

  /** Resolves with Claude Code's exit code. */
  async run(): Promise<number> {
    const stop = (): void => this.leave('SIGTERM');
    const interrupt = (): void => this.leave('SIGINT');
    process.on('SIGTERM', stop);
    process.on('SIGINT', interrupt);
    const rehearsal = await this.startRehearsal();
    try {
      return await this.lead(rehearsal);
    } catch (error) {
      if (!this.left.signal.aborted) throw error;
      return EXIT.cancelled;
    } finally {
      this.owned.dispose();
      await this.agents?.stop(AGENT_STOP_MS);
      await rehearsal?.stop();
      process.off('SIGTERM', stop);
      process.off('SIGINT', interrupt);
    }
  }

  /** While Claude Code has the terminal, an interrupt is its business. */
  private leave(signal: 'SIGINT' | 'SIGTERM'): void {
    if (this.isWithClaude && signal === 'SIGINT') return;
    this.left.abort(new CoordinatorError('cancelled', 'the lead was left'));
  }

  private async lead(rehearsal: RehearsalServer | undefined): Promise<number> {
    const {io, logger, sessionId, options, left} = this;
    const claude = await this.claude(rehearsal);
    const {target, isHere} = await this.findCoordinator();
    const client = this.owned.add(await openClient(target, logger));
    const artifacts = this.owned.add(artifactClient(target, logger, systemClock, client));
    await this.startAgents(client, target, isHere, rehearsal);
    left.signal.throwIfAborted();
    const repository = await beginLeadSession({
      ...{client, artifacts, sessionId, io, signal: left.signal},
      name: options.goal?.split('\n', 1)[0]?.slice(0, 80) ?? 'lead',
      uncommitted: options.uncommitted,
      rehearsal: rehearsal !== undefined,
    });
    let exit: number = EXIT.cancelled;
    try {
      if (!left.signal.aborted)
        exit = await this.withClaude(claude, {
          client,
          target,
          instructions: this.instructions(repository, rehearsal),
        });
    } finally {
      await this.conclude(client, repository && (ended => bringResult(ended, repository, artifacts, logger)));
    }
    return exit;
  }

  private async withClaude(
    claude: Pick<LeadClaude, 'executable' | 'env'>,
    {client, target, instructions}: {client: McpxClient; target: Target; instructions: string},
  ): Promise<number> {
    const {io, logger, options, args, sessionId} = this;
    const door = new McpDoor({
      hub: () => ({url: client.connection.url, ca: target.ca}),
      random: systemRandom,
      logger,
    });
    this.isWithClaude = true;
    try {
      const hub = await door.admit(sessionId, async () => target.token ?? '');
      return await runLeadClaude({...claude, hub, instructions, goal: options.goal, args, cwd: io.cwd});
    } finally {
      this.isWithClaude = false;
      await door.close();
    }
  }

  /** `bring` puts a result into the repository that it belongs to. */
  private async conclude(
    client: McpxClient,
    bring: ((session: SessionRecord) => Promise<void>) | undefined,
  ): Promise<void> {
    const {io, sessionId} = this;
    try {
      const end = await endLeadSession(client, sessionId, this.left.signal, io);
      if (end.kind === 'left') {
        const agents = this.agents ? ' Its agents end with us; "mcpx sessions resume" starts others.' : '';
        io.stderr(`Left: session ${sessionId} goes on.${agents}\n`);
      }
      if (end.kind !== 'ended') return;
      const {session: ended} = end;
      io.stderr(
        `Session ${sessionId} ${ended.state}${ended.failure === undefined ? '' : `: ${ended.failure}`}\n`,
      );
      if (!ended.result || !bring) return;
      await bring(ended);
      io.stderr(`Its result is the branch ${ended.result.branch}.\n`);
    } catch (error) {
      // What Claude Code ended with counts.
      io.stderr(
        `The result stays with the coordinator (mcpx sessions fetch ${sessionId}): ${describeError(error)}\n`,
      );
    }
  }

  private instructions(
    repository: LocalRepository | undefined,
    rehearsal: RehearsalServer | undefined,
  ): string {
    const {sessionId, io} = this;
    const where = repository
      ? `Tasks in it work on the commit that this folder's repository (${repository.root}) is at now; when you leave, their merged result becomes the branch mcpx/${sessionId}.`
      : 'Tasks in it work in empty folders, since this folder is in no git repository.';
    const text = `${LEADING}\n\nYour session is ${sessionId}: it is open, name it as "sessionId" wherever one is asked for. ${where}`;
    if (!rehearsal) return text;
    const marker = {taskId: LEAD_ROLE, attempt: 1, worktree: io.cwd, session: sessionId};
    return `${formatAttemptMarker(marker)}\n\n${text}`;
  }

  private async claude(
    rehearsal: RehearsalServer | undefined,
  ): Promise<{executable: string; env: Readonly<Record<string, string | undefined>>}> {
    const {env} = this.io;
    const base = attemptEnvironment(env);
    if (!rehearsal) {
      const {path: executable} = await readyClaude(base);
      // The person's own, with the editor that they may be in; what opens the coordinator is not for what Claude Code runs.
      return {executable, env: {...env, CLAUDECODE: undefined, MCPX_TOKEN: undefined}};
    }
    const folder = path.join(userDirectories(env).agents, 'lead');
    const played = withConfigurationFolder({...withoutModelAccess(base), ...rehearsal.env}, folder);
    const {path: executable} = await readyClaude(played);
    return {executable, env: played};
  }

  private async startRehearsal(): Promise<RehearsalServer | undefined> {
    const {rehearse} = this.options;
    if (rehearse === undefined) return undefined;
    const file = path.resolve(this.io.cwd, rehearse);
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new CoordinatorError('config', `the script ${file} cannot be read`, {cause: error});
    });
    return startRehearsalServer({
      clock: systemClock,
      logger: this.logger,
      script: parseRehearsalScript(text, file),
    });
  }

  private async findCoordinator(): Promise<{target: Target; isHere: boolean}> {
    const {options, io} = this;
    if (options.rehearse !== undefined && options.connect !== undefined)
      throw new CoordinatorError('config', '--rehearse runs on this machine: it does not go with --connect');
    const isHere = options.here || options.rehearse !== undefined;
    const named = isHere ? undefined : await namedCoordinator(options, io);
    if (named !== undefined)
      return {target: await requireTarget({...options, connect: named}, io), isHere: false};
    const {endpoint} = await ensureLocalCoordinator(userDirectories(io.env), io.env, systemClock);
    return {target: {url: endpoint.url, token: endpoint.token, ca: endpoint.ca}, isHere: true};
  }

  /** As many as were asked for; without a word some where nobody else would do the work. */
  private async startAgents(
    client: McpxClient,
    target: Target,
    isHere: boolean,
    rehearsal: RehearsalServer | undefined,
  ): Promise<void> {
    const {options, io, sessionId, logger} = this;
    if (!isHere) {
      if (options.agents === undefined) return;
      throw new CoordinatorError(
        'config',
        "--agents starts agents of this machine's coordinator: elsewhere they join by themselves",
      );
    }
    const others = await snapshotRows(client, {view: 'agents'}, systemClock);
    const able = others.some(
      row =>
        row.kind === 'agent' &&
        row.online &&
        row.agent.instance.metadata.rehearsal === (rehearsal !== undefined),
    );
    const wanted = options.agents ?? (able && !rehearsal ? 0 : DEFAULT_AGENTS);
    if (wanted === 0) return;
    const directories = userDirectories(io.env);
    const {endpoint} = await ensureLocalCoordinator(directories, io.env, systemClock);
    this.agents = new LocalAgents({
      ...{directories, sessionId, logger, clock: systemClock, env: io.env},
      endpoint: {...endpoint, url: target.url},
      count: wanted,
      slots: options.slots,
      rehearsalEnv: rehearsal?.env,
    });
    await this.agents.start();
    await this.whenJoined(client, wanted);
  }

  /** So that the first look at the fleet finds them. Those that take longer join later. */
  private async whenJoined(client: McpxClient, wanted: number): Promise<void> {
    const late = AbortSignal.any([this.left.signal, AbortSignal.timeout(JOIN_MS)]);
    const joined = (rows: readonly Row[]): boolean =>
      rows.filter(
        row =>
          row.kind === 'agent' && row.online && row.agent.instance.metadata.reservedFor === this.sessionId,
      ).length >= wanted;
    await untilView(client, {view: 'agents'}, joined, {signal: late}).catch(() => undefined);
  }
}

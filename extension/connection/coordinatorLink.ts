/**
 * The window's link to its coordinator: found or started through the bundled command, connected, and started again when it died. What is watched
 * and asked over it is other parts'.
 */
import {existsSync} from 'node:fs';
import * as z from 'zod';
import {ArtifactClient} from '../../coordinator/artifacts/artifactClient.ts';
import {connectClient, type McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {nodeSocket} from '../../coordinator/client/nodeSocket.ts';
import type {Logger} from '../../coordinator/observability/logger.ts';
import {DEFAULT_TENANT} from '../../coordinator/protocol/ids.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../coordinator/runtime/emitter.ts';
import {CoordinatorError, describeError, isCoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import type {Program} from './program.ts';

const TextOrNull = z
  .string()
  .nullish()
  .transform(text => text ?? undefined);

/** Answer of `mcpx endpoint`. */
export const EndpointAnswer = z.object({
  url: z.string(),
  /** Of the same cluster. */
  others: z.array(z.string()).nullish(),
  token: TextOrNull,
  ca: TextOrNull,
  coordinator: z.string(),
  version: z.string(),
  /** Null on another machine. */
  pid: z.number().nullish(),
  started: z.boolean(),
  skew: z.boolean(),
  /** For a person: what became of a coordinator of another version. */
  notice: TextOrNull,
});
export type EndpointAnswer = z.infer<typeof EndpointAnswer>;

/** Which coordinator: this machine's own, or one that a context names. */
export type Choice =
  | {readonly kind: 'local'}
  | {readonly kind: 'context'; readonly name: string; readonly token: string | undefined};

export type LinkState =
  | {readonly kind: 'off'}
  /** A person ended it: nothing starts it by itself, and one that somebody starts is joined. */
  | {readonly kind: 'stopped'}
  | {readonly kind: 'starting'}
  | {readonly kind: 'connected'; readonly endpoint: EndpointAnswer; readonly client: McpxClient}
  /** The client goes on trying, and keeps what it has shown. */
  | {
      readonly kind: 'reconnecting';
      readonly endpoint: EndpointAnswer;
      readonly client: McpxClient;
      readonly error: Error;
    }
  | {readonly kind: 'failed'; readonly error: Error};

export interface LinkOptions {
  readonly program: Program;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly version: string;
  /** Where this machine's coordinator says that it runs. */
  readonly localEndpointFile: string;
  /** There since a person ended this machine's coordinator on purpose, until one is started. */
  readonly stoppedFile: string;
  /** How long the local coordinator outlives its last window and session, in ms. */
  readonly lingerMs: () => number;
  /** Whether the local coordinator is started again when it has died; else one that somebody starts is found. */
  readonly revives: () => boolean;
}

const CONNECT_TIMEOUT_MS = 15_000;
/** A cut of this length from the local coordinator means that it is gone. */
const REVIVE_AFTER_MS = 1000;
const MAX_REVIVE_MS = 30_000;
/** Between two looks, of a file's name each, for a coordinator that somebody has started again. */
const RETURN_POLL_MS = 2000;

/** What belongs to one connection, and goes with it. */
interface Open extends Disposable {
  readonly client: McpxClient;
  readonly artifacts: ArtifactClient;
  endpoint: EndpointAnswer;
}

export class CoordinatorLink implements Disposable {
  private current: LinkState = {kind: 'off'};
  private open: Open | undefined;
  private choice: Choice = {kind: 'local'};
  private reviveMs = REVIVE_AFTER_MS;
  private revival: Disposable = noDisposable;
  /** Raised by everything that makes a start in work pointless. */
  private epoch = 0;
  /** Whoever asks for the same meanwhile gets this one. */
  private starting: Promise<McpxClient> | undefined;
  private aside = 0;
  private readonly states = new Emitter<LinkState>();

  readonly onState: Event<LinkState> = this.states.event;

  constructor(private readonly options: LinkOptions) {}

  get state(): LinkState {
    return this.current;
  }

  get chosen(): Choice {
    return this.choice;
  }

  /** The client, while there is a coordinator to talk to or to wait for. */
  get client(): McpxClient | undefined {
    return this.open?.client;
  }

  /** Artifacts of the coordinator, by digest. */
  get artifacts(): ArtifactClient | undefined {
    return this.open?.artifacts;
  }

  /** Throws `unavailable` with what to do when there is none. */
  requireClient(): McpxClient {
    if (this.open) return this.open.client;
    throw new CoordinatorError('unavailable', 'no coordinator is connected', {
      hint: 'Run "MCPX: Start Coordinator", or connect to one elsewhere.',
    });
  }

  /** Finds or starts the coordinator and connects. Resolves when connected; a failure is the state `failed` too. */
  async start(choice: Choice = this.choice): Promise<McpxClient> {
    if (sameChoice(choice, this.choice)) {
      if (this.starting) return this.starting;
      // A local coordinator that does not answer may be gone for good: then another is started at once.
      if (this.open && (choice.kind !== 'local' || this.current.kind === 'connected'))
        return this.open.client;
    }
    return this.connectTo(choice, () => this.findEndpoint(true), {isShared: true});
  }

  /** Connects to this machine's own coordinator when one runs, and starts none. Undefined: there is none, or the link is busy with another. */
  async join(): Promise<McpxClient | undefined> {
    const {epoch} = this;
    const isFree = this.current.kind === 'off' || this.current.kind === 'stopped';
    if (!isFree || this.choice.kind !== 'local' || this.aside > 0) return undefined;
    // Most windows have nothing to do with us: they shall not pay for a process.
    if (!existsSync(this.options.localEndpointFile)) return undefined;
    const endpoint = await this.findEndpoint(false).catch((error: unknown) => {
      if (isCoordinatorError(error, 'unavailable')) return undefined;
      throw error;
    });
    if (!endpoint || epoch !== this.epoch || this.aside > 0) return undefined;
    // Not shared: it may be on its way out, and whoever wants one started shall not wait for it.
    const joining = this.connectTo({kind: 'local'}, () => Promise.resolve(endpoint), {isShared: false});
    return joining.catch((error: unknown) => {
      if (isCoordinatorError(error, 'cancelled')) return undefined;
      throw error;
    });
  }

  /** Leaves the coordinator, and joins none by itself, until `work`, which ends it, is done. */
  async standAside<T>(work: () => Promise<T>): Promise<T> {
    this.disconnect();
    this.aside += 1;
    try {
      return await work();
    } finally {
      this.aside -= 1;
    }
  }

  /** Whoever asks for the same meanwhile waits for this start, when it is shared. */
  private connectTo(
    choice: Choice,
    find: () => Promise<EndpointAnswer>,
    {isShared}: {isShared: boolean},
  ): Promise<McpxClient> {
    this.close();
    this.choice = choice;
    const epoch = ++this.epoch;
    const starting = this.establish(epoch, find).finally(() => {
      if (this.starting === starting) this.starting = undefined;
    });
    if (isShared) this.starting = starting;
    this.setState({kind: 'starting'});
    return starting;
  }

  private async establish(epoch: number, find: () => Promise<EndpointAnswer>): Promise<McpxClient> {
    try {
      const endpoint = await find();
      if (epoch !== this.epoch) throw new CoordinatorError('closed', 'it is not wanted any more');
      const open = this.connect(endpoint);
      this.open = open;
      await open.client.whenConnected(CONNECT_TIMEOUT_MS);
      return open.client;
    } catch (error) {
      if (epoch !== this.epoch)
        throw new CoordinatorError('cancelled', 'another coordinator was chosen', {cause: error});
      this.close();
      this.setState({kind: 'failed', error: asError(error)});
      throw error;
    }
  }

  /** A person has ended this machine's coordinator, here or elsewhere. */
  rest(): void {
    this.epoch += 1;
    this.close();
    this.setState({kind: 'stopped'});
    this.awaitReturn();
  }

  /** Leaves the coordinator; it goes on without us. */
  disconnect(): void {
    this.epoch += 1;
    this.close();
    this.setState({kind: 'off'});
  }

  dispose(): void {
    this.epoch += 1;
    this.close();
    this.states.dispose();
  }

  private findEndpoint(start: boolean): Promise<EndpointAnswer> {
    const {choice, options} = this;
    if (choice.kind === 'context') {
      const env: Record<string, string> = choice.token === undefined ? {} : {MCPX_TOKEN: choice.token};
      return options.program.call(EndpointAnswer, ['endpoint', '--context', choice.name], {env});
    }
    const flags = start ? ['--start', '--linger', String(options.lingerMs())] : [];
    return options.program.call(EndpointAnswer, ['endpoint', ...flags]);
  }

  private connect(endpoint: EndpointAnswer): Open {
    const {clock, random, logger, version} = this.options;
    const lifetime = new DisposableStore();
    // The client asks for the token at once, before there is anything to hold it.
    let latest = endpoint;
    const client = lifetime.add(
      connectClient({
        urls: [endpoint.url, ...(endpoint.others ?? [])],
        token: () => latest.token,
        openSocket: nodeSocket({ca: () => latest.ca}),
        clock,
        random,
        logger,
        implementation: {name: 'mcpx-vscode', version},
      }),
    );
    const artifacts = lifetime.add(
      new ArtifactClient(
        () => ({
          baseUrl: new URL(client.connection.url.replace(/^ws/, 'http')).origin,
          tenant: DEFAULT_TENANT,
          token: latest.token,
          ca: latest.ca,
        }),
        {clock, logger, random},
      ),
    );
    const open: Open = {
      client,
      artifacts,
      get endpoint() {
        return latest;
      },
      set endpoint(renewed) {
        latest = renewed;
      },
      dispose: () => lifetime.dispose(),
    };
    lifetime.add(client.onState(() => this.follow(open)));
    return open;
  }

  private follow(open: Open): void {
    if (this.open !== open) return;
    const {state} = open.client.connection;
    const {client, endpoint} = open;
    if (state.kind === 'connected') {
      open.artifacts.follow();
      this.endRevival();
      this.reviveMs = REVIVE_AFTER_MS;
      this.setState({kind: 'connected', endpoint, client});
    } else if (state.kind === 'waiting' && this.current.kind !== 'starting') {
      this.setState({kind: 'reconnecting', endpoint, client, error: state.error});
      this.reviveLater(open);
    }
  }

  /** The local coordinator is started again when it died; on another port, or with another token, everything is made anew. */
  private reviveLater(open: Open): void {
    // The client's own tries, of which each fails, must not put it off.
    if (this.choice.kind !== 'local' || this.revival !== noDisposable) return;
    const revival = this.options.clock.schedule(this.reviveMs, () => {
      this.reviveMs = Math.min(this.reviveMs * 2, MAX_REVIVE_MS);
      this.revive(open)
        .catch((error: unknown) =>
          this.options.logger.warn('the coordinator could not be started again', {
            error: describeError(error),
          }),
        )
        .finally(() => {
          if (this.revival !== revival) return;
          this.endRevival();
          this.reviveLater(open);
        });
    });
    this.revival = revival;
  }

  private endRevival(): void {
    this.revival.dispose();
    this.revival = noDisposable;
  }

  private async revive(open: Open): Promise<void> {
    if (existsSync(this.options.stoppedFile)) {
      this.rest();
      return;
    }
    const endpoint = await this.findEndpoint(this.options.revives());
    if (this.open !== open || open.client.connection.peer) return;
    if (endpoint.url === open.endpoint.url) {
      open.endpoint = endpoint;
      return;
    }
    this.close();
    this.open = this.connect(endpoint);
  }

  private awaitReturn(): void {
    const {clock, logger, localEndpointFile, stoppedFile} = this.options;
    const waiting = clock.schedule(RETURN_POLL_MS, () => {
      const isBack = existsSync(localEndpointFile) && !existsSync(stoppedFile);
      const joining = isBack ? this.join() : Promise.resolve(undefined);
      joining
        .catch((error: unknown) =>
          logger.warn('the coordinator that was started again could not be joined', {
            error: describeError(error),
          }),
        )
        .finally(() => {
          if (this.revival === waiting) this.awaitReturn();
        });
    });
    this.revival = waiting;
  }

  private close(): void {
    this.endRevival();
    this.starting = undefined;
    const {open} = this;
    this.open = undefined;
    open?.dispose();
  }

  private setState(state: LinkState): void {
    this.current = state;
    this.states.emit(state);
  }
}

function sameChoice(a: Choice, b: Choice): boolean {
  return a.kind === b.kind && (a.kind !== 'context' || (b.kind === 'context' && a.name === b.name));
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

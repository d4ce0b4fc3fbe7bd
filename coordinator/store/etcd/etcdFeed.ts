/**
 * One watch of an etcd over everything of a store: whole revisions in order, each once, over cuts of its stream and loss of members. It resumes
 * behind the last event that it gave out. What is done with the revisions is left to its owner.
 */
import type {IDuplexStream, IWatchRequest, IWatchResponse} from 'etcd3';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {delay} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Endpoint, EtcdEndpoints} from './endpoints.ts';
import type {KeyRange} from './keySpace.ts';
import {type RawRevision, RevisionAssembler} from './revisionAssembler.ts';
import type {EtcdSettings} from './settings.ts';

export interface FeedParts {
  readonly endpoints: EtcdEndpoints;
  readonly range: KeyRange;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: EtcdSettings;
}

export interface FeedListener {
  onRevision(revision: RawRevision): void;
  /** etcd has forgotten what comes next. The feed is over. */
  onCompacted(compactRevision: number): void;
}

type Stream = IDuplexStream<IWatchRequest, IWatchResponse>;

export class EtcdFeed implements Disposable {
  private readonly assembler: RevisionAssembler;
  private readonly owned = new DisposableStore();
  private readonly closing = new AbortController();
  private stream: Stream | undefined;
  private endpoint: Endpoint | undefined;
  private pauseMs: number;

  /** Runs from the next turn on. */
  constructor(
    private readonly parts: FeedParts,
    fromRevision: number,
    private readonly listener: FeedListener,
  ) {
    this.assembler = new RevisionAssembler(fromRevision);
    this.pauseMs = parts.settings.rewatchMs[0];
    this.owned.add({dispose: () => this.closing.abort(new CoordinatorError('closed', 'the watch is over'))});
    this.owned.add(parts.endpoints.onSuspect(endpoint => endpoint === this.endpoint && this.cut()));
    void this.open();
  }

  /** The member that it listens to has fallen behind, or is gone: another stream takes over where this one stopped. */
  cut(error?: unknown): void {
    const {endpoint, stream} = this;
    if (!stream || !endpoint || this.owned.isDisposed) return;
    this.drop();
    this.parts.logger.debug('a watch is opened again', {
      member: endpoint.address,
      from: this.assembler.next,
      error,
    });
    void this.open();
  }

  get member(): Endpoint | undefined {
    return this.endpoint;
  }

  dispose(): void {
    this.owned.dispose();
    this.drop();
  }

  private drop(): void {
    const {stream} = this;
    this.stream = undefined;
    this.endpoint = undefined;
    this.assembler.cut();
    stream?.cancel();
  }

  private async open(): Promise<void> {
    const {clock, endpoints, logger, settings} = this.parts;
    const {signal} = this.closing;
    while (!signal.aborted) {
      try {
        const endpoint = await endpoints.find(settings.requestTimeoutMs);
        const stream = await endpoint.client.watchClient.watch();
        if (signal.aborted) stream.cancel();
        else this.follow(endpoint, stream);
        return;
      } catch (error) {
        if (isCoordinatorError(error, 'closed')) return;
        logger.warn('the etcd cannot be watched yet', {error});
        await delay(clock, this.pause(), signal).catch(() => undefined);
      }
    }
  }

  private follow(endpoint: Endpoint, stream: Stream): void {
    this.endpoint = endpoint;
    this.stream = stream;
    const lost = (error?: Error): void => {
      if (this.stream === stream) void this.reopen(endpoint, error);
    };
    stream.on('data', response => {
      if (this.stream === stream) this.receive(response);
    });
    stream.on('error', lost);
    stream.on('end', lost);
    // One before what is wanted: etcd begins at its compaction's own revision without a word, though the deletions of that one are gone.
    const start_revision = Math.max(1, this.assembler.next - 1);
    stream.write({
      create_request: {...this.parts.range, start_revision, prev_kv: true, fragment: true},
    });
  }

  private async reopen(endpoint: Endpoint, error: Error | undefined): Promise<void> {
    this.drop();
    // Writers must not be the next to find out.
    this.parts.endpoints.suspect(endpoint, error ?? new Error('it ended a watch'));
    await delay(this.parts.clock, this.pause(), this.closing.signal).catch(() => undefined);
    await this.open();
  }

  private receive(response: IWatchResponse): void {
    if (response.canceled) {
      this.canceled(response);
      return;
    }
    if (response.events.length > 0) this.pauseMs = this.parts.settings.rewatchMs[0];
    for (const revision of this.assembler.take(response)) {
      this.listener.onRevision(revision);
      if (this.owned.isDisposed) return;
    }
  }

  private canceled({compact_revision, cancel_reason}: IWatchResponse): void {
    const compactRevision = Number(compact_revision);
    if (compactRevision > 0) {
      this.dispose();
      this.listener.onCompacted(compactRevision);
      return;
    }
    const {endpoint} = this;
    if (endpoint) void this.reopen(endpoint, new Error(`the etcd ended a watch: ${cancel_reason}`));
  }

  private pause(): number {
    const pauseMs = this.pauseMs;
    this.pauseMs = Math.min(pauseMs * 2, this.parts.settings.rewatchMs[1]);
    return pauseMs;
  }
}

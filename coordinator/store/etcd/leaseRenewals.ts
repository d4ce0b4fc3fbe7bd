/** Keeps leases alive over one stream to the member that is asked, opened when it is needed. */
import type {IDuplexStream, ILeaseKeepAliveRequest, ILeaseKeepAliveResponse} from 'etcd3';
import type {Clock} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {CoordinatorError, isCoordinatorError} from '../../runtime/errors.ts';
import type {Endpoint, EtcdEndpoints} from './endpoints.ts';
import {faultOf} from './faults.ts';

export interface RenewalsParts {
  readonly endpoints: EtcdEndpoints;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
}

type Stream = IDuplexStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>;

/** A member that says nothing must leave time to ask another. */
const TRIES = 4;

export class LeaseRenewals implements Disposable {
  private line: Line | undefined;
  private disposed = false;

  constructor(private readonly parts: RenewalsParts) {}

  /** Resolves to false when the lease is gone. Rejects with `unavailable`. */
  async keepAlive(leaseId: string): Promise<boolean> {
    const {clock, endpoints, requestTimeoutMs} = this.parts;
    const until = clock.now() + requestTimeoutMs;
    for (;;) {
      const leftMs = until - clock.now();
      if (leftMs <= 0) throw endpoints.unavailable();
      const endpoint = await endpoints.find(leftMs);
      try {
        const line = await this.to(endpoint);
        return await line.renew(leaseId, Math.min(leftMs, requestTimeoutMs / TRIES));
      } catch (error) {
        if (isCoordinatorError(error, 'closed')) throw error;
        if (faultOf(error) === 'unauthorized')
          throw new CoordinatorError('unauthorized', 'the etcd does not allow this', {cause: error});
        endpoints.suspect(endpoint, error);
      }
    }
  }

  dispose(): void {
    this.disposed = true;
    this.line?.close(new CoordinatorError('closed', 'the store is closed'));
  }

  private async to(endpoint: Endpoint): Promise<Line> {
    const open = this.line;
    if (open?.endpoint === endpoint && open.isOpen) return open;
    const stream = await endpoint.client.leaseClient.leaseKeepAlive();
    // Another call may have opened one meanwhile.
    const {line} = this;
    if (line?.endpoint === endpoint && line.isOpen) {
      stream.on('error', () => undefined);
      stream.cancel();
      return line;
    }
    line?.close(new Error('another member is asked now'));
    const opened = new Line(endpoint, stream, this.parts.clock);
    this.line = opened;
    if (this.disposed) opened.close(new CoordinatorError('closed', 'the store is closed'));
    return opened;
  }
}

/** One stream: answers come in the order of the questions about each lease. */
class Line {
  private readonly waiting = new Map<string, Deferred<boolean>[]>();
  private closed: Error | undefined;

  constructor(
    readonly endpoint: Endpoint,
    private readonly stream: Stream,
    private readonly clock: Clock,
  ) {
    stream.on('data', ({ID, TTL}) =>
      this.waiting
        .get(ID)
        ?.shift()
        ?.resolve(Number(TTL) > 0),
    );
    stream.on('error', error => this.close(error));
    stream.on('end', () => this.close(new Error('it ended the stream of leases')));
  }

  get isOpen(): boolean {
    return this.closed === undefined;
  }

  async renew(leaseId: string, timeoutMs: number): Promise<boolean> {
    if (this.closed) throw this.closed;
    const answer = deferred<boolean>();
    const queue = this.waiting.get(leaseId);
    if (queue) queue.push(answer);
    else this.waiting.set(leaseId, [answer]);
    this.stream.write({ID: leaseId});
    const timer = this.clock.schedule(timeoutMs, () => this.close(new Error('it does not renew leases')));
    try {
      return await answer.promise;
    } finally {
      timer.dispose();
      if (this.waiting.get(leaseId)?.length === 0) this.waiting.delete(leaseId);
    }
  }

  close(error: Error): void {
    if (this.closed) return;
    this.closed = error;
    this.stream.cancel();
    const waiting = [...this.waiting.values()].flat();
    this.waiting.clear();
    for (const answer of waiting) answer.reject(error);
  }
}

/**
 * Tells a request that is lost from one that is slow. A member hands writes and linearizable reads to the leader; when that dies with them,
 * nobody answers before etcd's own limit of 7 s, though a new leader is there after one or two. So when a request has waited a while,
 * heartbeats are written, and once one that was sent later is confirmed, the request is taken to be lost.
 */
import type {Etcd3} from 'etcd3';
import {type Clock, delay} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import type {CallOptions, Endpoint, EtcdEndpoints} from './endpoints.ts';
import type {EtcdSettings} from './settings.ts';

export interface StallsParts {
  readonly endpoints: EtcdEndpoints;
  readonly clock: Clock;
  readonly settings: EtcdSettings;
  /** Harmless however often it is made. */
  readonly beat: (client: Etcd3, options: CallOptions) => Promise<unknown>;
}

interface Beat {
  readonly endpoint: Endpoint;
  readonly sentAt: number;
}

/** The request may have been made or not; a later one was. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';

  constructor(
    /** Who confirmed the later one. */
    readonly by: Endpoint,
  ) {
    super('the request is lost: a later one was answered');
  }
}

export class Stalls {
  private waiting = 0;
  private round: Deferred<Beat> | undefined;

  constructor(private readonly parts: StallsParts) {}

  /** Settles as `answer`, unless that is found to be lost: then it rejects with `OvertakenError`. */
  async watch<T>(answer: Promise<T>): Promise<T> {
    const {clock, settings} = this.parts;
    const settled = new AbortController();
    const sentAt = clock.now();
    const lost = async (): Promise<never> => {
      await delay(clock, settings.stallMs, settled.signal);
      const by = await this.overtaken(sentAt, settled.signal);
      await delay(clock, settings.stallGraceMs, settled.signal);
      throw new OvertakenError(by);
    };
    const overtaken = lost();
    overtaken.catch(() => undefined);
    try {
      return await Promise.race([answer, overtaken]);
    } finally {
      settled.abort();
      answer.catch(() => undefined);
    }
  }

  private async overtaken(since: number, signal: AbortSignal): Promise<Endpoint> {
    this.waiting += 1;
    try {
      for (;;) {
        signal.throwIfAborted();
        const {endpoint, sentAt} = await this.beat();
        if (sentAt > since) return endpoint;
      }
    } finally {
      this.waiting -= 1;
    }
  }

  /** One series of heartbeats serves all that wait. */
  private beat(): Promise<Beat> {
    if (this.round) return this.round.promise;
    const round = deferred<Beat>();
    this.round = round;
    round.promise.catch(() => undefined);
    void this.beatAll(round).finally(() => {
      if (this.round === round) this.round = undefined;
      round.reject(new Error('nobody waits any more'));
    });
    return round.promise;
  }

  private async beatAll(round: Deferred<Beat>): Promise<void> {
    const {beat, clock, endpoints, settings} = this.parts;
    const send = async (endpoint: Endpoint): Promise<void> => {
      const sentAt = clock.now();
      try {
        await beat(endpoint.client, {deadline: clock.wallNow() + settings.probeTimeoutMs});
        if (this.round === round) this.round = undefined;
        round.resolve({endpoint, sentAt});
      } catch {
        // The next ones may get through.
      }
    };
    while (this.round === round && this.waiting > 0 && !endpoints.isClosed) {
      for (const endpoint of endpoints.members) void send(endpoint);
      await delay(clock, settings.probeEveryMs);
    }
  }
}

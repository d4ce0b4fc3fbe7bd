/** Requests to an etcd: to whom, how long, how often, and what their failures mean to the store's contract. */
import type {Etcd3, IResponseHeader} from 'etcd3';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {CallOptions, Endpoint, EtcdEndpoints} from './endpoints.ts';
import {faultOf} from './faults.ts';
import {OvertakenError, type Stalls} from './stalls.ts';

type Run<T> = (client: Etcd3, options: CallOptions) => Promise<T>;

export interface CallsParts {
  readonly endpoints: EtcdEndpoints;
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly stalls: Stalls;
  /** Sees the header of every answer, with the newest revision that was known when the question was sent. */
  readonly answered: (header: IResponseHeader, knownBefore: number, serializable: boolean) => void;
  readonly known: () => number;
}

export class EtcdCalls {
  constructor(private readonly parts: CallsParts) {}

  /** What may be sent again: it is, to whoever answers, until the time is over. Then it rejects with `unavailable`. */
  async read<T extends {header: IResponseHeader}>(run: Run<T>, serializable = false): Promise<T> {
    const {answered, clock, endpoints, known, requestTimeoutMs, stalls} = this.parts;
    const until = clock.now() + requestTimeoutMs;
    for (;;) {
      const leftMs = until - clock.now();
      if (leftMs <= 0) throw endpoints.unavailable();
      const endpoint = await endpoints.find(leftMs);
      const knownBefore = known();
      let answer: T;
      try {
        answer = await stalls.watch(run(endpoint.client, this.options(until)));
      } catch (error) {
        if (faultOf(error) !== 'broken') throw await this.refusal(endpoint, error);
        this.suspect(endpoint, error);
        continue;
      }
      answered(answer.header, knownBefore, serializable);
      return answer;
    }
  }

  /** What must not be sent twice. Once it is out, a failure of the connection or the member is `timeout`: unknown. */
  async write<T extends {header: IResponseHeader}>(run: Run<T>): Promise<T> {
    const {answered, clock, endpoints, known, requestTimeoutMs, stalls} = this.parts;
    const until = clock.now() + requestTimeoutMs;
    const endpoint = await endpoints.find(requestTimeoutMs);
    const knownBefore = known();
    let answer: T;
    try {
      answer = await stalls.watch(run(endpoint.client, this.options(until)));
    } catch (error) {
      if (faultOf(error) !== 'broken') throw await this.refusal(endpoint, error);
      this.suspect(endpoint, error);
      throw new CoordinatorError('timeout', 'the etcd did not confirm the write: it may have been made', {
        cause: error,
      });
    }
    answered(answer.header, knownBefore, false);
    return answer;
  }

  /** A member that confirmed a later request has lost this one with a leader; it is fit itself. */
  private suspect(endpoint: Endpoint, error: unknown): void {
    if (error instanceof OvertakenError && error.by === endpoint) return;
    this.parts.endpoints.suspect(endpoint, error);
  }

  private options(until: number): CallOptions {
    const {clock} = this.parts;
    return {deadline: clock.wallNow() + Math.max(1, until - clock.now())};
  }

  private async refusal(endpoint: Endpoint, error: unknown): Promise<CoordinatorError> {
    const cause = {cause: error};
    switch (faultOf(error)) {
      case 'unauthorized':
        return new CoordinatorError('unauthorized', 'the etcd does not allow this', {
          ...cause,
          hint: 'The user needs to read and write the keys of the prefix.',
        });
      case 'notFound':
        return new CoordinatorError('notFound', 'there is no such lease', cause);
      case 'outOfRange':
        return new CoordinatorError('notFound', 'the revision is not there', cause);
      case 'exhausted':
        return (await this.isFull(endpoint))
          ? new CoordinatorError('diskFull', 'the etcd has no space left', {
              ...cause,
              hint: 'What was acknowledged is kept. Compact and defragment the etcd, or raise its quota, then disarm its alarm.',
            })
          : new CoordinatorError('unavailable', 'the etcd has too many requests to answer', cause);
      default:
        return new CoordinatorError('limit', 'the etcd refuses the request', cause);
    }
  }

  /** Its alarm tells a full database from a busy member. */
  private async isFull({client}: Endpoint): Promise<boolean> {
    try {
      const deadline = this.parts.clock.wallNow() + this.parts.requestTimeoutMs;
      const {alarms} = await client.maintenance.alarm({action: 'Get'}, {deadline});
      return alarms.some(({alarm}) => alarm.toLowerCase() === 'nospace');
    } catch {
      return false;
    }
  }
}

/** Tells the hub at the period it asked for that the agent lives, and with what load. What silence means is the caller's to decide. */
import type {Logger} from '../../observability/logger.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {AgentLoad} from '../../protocol/instance.ts';
import {atMost, type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import type {AgentLink} from './agentLink.ts';

export interface HeartbeatOptions {
  readonly agentId: string;
  readonly incarnation: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly request: AgentLink['request'];
  load(): Promise<AgentLoad>;
  /** The hub does not know this agent any more. */
  forgotten(): void;
  /** Another process has taken the agent's id. */
  replaced(error: Error): void;
}

/** On a loaded machine an answer takes its time. A silent connection is the connection's own to notice. */
const MIN_TIMEOUT_MS = 2000;
/** What is said later than this is no sign of life any more: the load of the beat before has to do. */
const MEASURE_MS = 500;
/** A hub that is slow to answer still hears us, as long as there are not too many. */
const MAX_UNANSWERED = 3;

export class Heartbeat implements Disposable {
  private timer: Disposable = noDisposable;
  private unanswered = 0;
  private measuring: Promise<void> | undefined;
  private lastLoad: AgentLoad | undefined;

  constructor(private readonly options: HeartbeatOptions) {}

  start(periodMs: number): void {
    this.stop();
    this.timer = every(this.options.clock, periodMs, () => {
      if (this.unanswered < MAX_UNANSWERED) void this.beat(Math.max(MIN_TIMEOUT_MS, periodMs));
    });
  }

  stop(): void {
    this.timer.dispose();
  }

  dispose(): void {
    this.stop();
  }

  private async beat(timeoutMs: number): Promise<void> {
    const {agentId, incarnation, clock, logger} = this.options;
    this.unanswered += 1;
    try {
      const load = await this.load();
      const params = {agentId, incarnation, load, sentAt: clock.wallNow()};
      const answer = await this.options.request('mcpx.health.check', params, {timeoutMs});
      if (answer.status === 'unknown') this.options.forgotten();
    } catch (error) {
      if (isProtocolError(error, 'notFound') || isProtocolError(error, 'staleFence'))
        this.options.forgotten();
      else if (isProtocolError(error, 'conflict')) this.options.replaced(error);
      else logger.debug('a health check failed', {error});
    } finally {
      this.unanswered -= 1;
    }
  }

  /** As it is now, or as it was when the machine does not say in time, such as one whose disk hangs. */
  private async load(): Promise<AgentLoad | undefined> {
    this.measuring ??= this.options
      .load()
      .then(load => {
        this.lastLoad = load;
      })
      .finally(() => {
        this.measuring = undefined;
      });
    await atMost(this.options.clock, MEASURE_MS, this.measuring);
    return this.lastLoad;
  }
}

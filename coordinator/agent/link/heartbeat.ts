/** Tells the hub at the period it asked for that the agent lives, and with what load. What silence means is the caller's to decide. */
import type {Logger} from '../../observability/logger.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import type {AgentLoad} from '../../protocol/instance.ts';
import {type Clock, every} from '../../runtime/clock.ts';
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

export class Heartbeat implements Disposable {
  private timer: Disposable = noDisposable;
  private beating = false;

  constructor(private readonly options: HeartbeatOptions) {}

  start(periodMs: number): void {
    this.stop();
    this.timer = every(this.options.clock, periodMs, () => {
      if (!this.beating) void this.beat(Math.max(MIN_TIMEOUT_MS, periodMs));
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
    this.beating = true;
    try {
      const load = await this.options.load();
      const params = {agentId, incarnation, load, sentAt: clock.wallNow()};
      const answer = await this.options.request('mcpx.health.check', params, {timeoutMs});
      if (answer.status === 'unknown') this.options.forgotten();
    } catch (error) {
      if (isProtocolError(error, 'notFound') || isProtocolError(error, 'staleFence'))
        this.options.forgotten();
      else if (isProtocolError(error, 'conflict')) this.options.replaced(error);
      else logger.debug('a health check failed', {error});
    } finally {
      this.beating = false;
    }
  }
}

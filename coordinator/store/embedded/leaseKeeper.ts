/**
 * Ends leases whose time has passed. Only the leader's clock counts: each new leader gives every lease its whole time again, and a renewal holds
 * once a majority has confirmed after it that this node still leads.
 */
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Command} from '../commands.ts';
import type {Outcome} from '../stateMachine.ts';
import {LeaseDeadlines} from './leaseDeadlines.ts';
import type {Replica} from './replica.ts';
import type {EmbeddedSettings} from './settings.ts';

export interface LeaseKeeperParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly settings: Pick<EmbeddedSettings, 'tickMs' | 'pauseTicks'>;
}

export class LeaseKeeper {
  private readonly deadlines: LeaseDeadlines;
  /** Leases whose end is in the log but not applied. */
  private readonly expiring = new Map<string, Promise<unknown>>();
  /** The lead has begun, and every lease has its whole time. */
  private leads = false;

  constructor(
    private readonly replica: Replica,
    private readonly parts: LeaseKeeperParts,
  ) {
    const {tickMs, pauseTicks} = parts.settings;
    this.deadlines = new LeaseDeadlines(tickMs, tickMs * pauseTicks, parts.clock.now());
  }

  applied(command: Command, outcome: Outcome): void {
    if (command.kind === 'grantLease' && outcome.kind === 'leaseGranted')
      this.deadlines.renew(command.id, command.ttlSeconds, this.parts.clock.now());
    else if (command.kind === 'endLease') this.deadlines.end(command.id);
  }

  /** The lead has begun or ended, or the state is another one. */
  roleChanged(): void {
    this.leads = this.replica.isLeader;
    if (this.leads) this.restart();
  }

  /** Gives every lease its whole time. */
  restart(): void {
    const now = this.parts.clock.now();
    for (const lease of this.replica.machine.leases.values())
      this.deadlines.renew(lease.id, lease.ttlSeconds, now);
  }

  /** Returns whether the process stood still before this tick. */
  noticePause(): boolean {
    const pause = this.deadlines.noticePause(this.parts.clock.now());
    if (pause > 0)
      this.parts.logger.warn('this process stood still; leases are extended', {pauseMs: Math.round(pause)});
    return pause > 0;
  }

  endDue(): void {
    if (!this.leads || !this.replica.isLeader) return;
    for (const id of this.deadlines.due(this.parts.clock.now())) this.expire(id);
  }

  /** On the leader. False when the lease is gone; throws `unavailable` when this node does not lead. */
  async renew(id: string): Promise<boolean> {
    for (let tries = 0; tries < 2; tries++) {
      await this.expiring.get(id);
      this.checkLeader();
      const renewed = this.renewNow(id);
      await this.replica.strongRead();
      this.checkLeader();
      if (!this.replica.machine.leases.has(id)) return false;
      if (renewed) return true;
      // A new leader had not applied its grant yet.
    }
    return false;
  }

  private renewNow(id: string): boolean {
    const lease = this.replica.machine.leases.get(id);
    if (lease) this.deadlines.renew(id, lease.ttlSeconds, this.parts.clock.now());
    return lease !== undefined;
  }

  private checkLeader(): void {
    if (!this.replica.isLeader && !this.replica.isSoleVoter)
      throw new CoordinatorError('unavailable', 'this node does not lead');
  }

  private expire(id: string): void {
    if (this.expiring.has(id)) return;
    if (!this.replica.machine.leases.has(id)) {
      this.deadlines.end(id);
      return;
    }
    const ended = Promise.resolve()
      // Whoever leads next gives it its whole time again: it must not be told of the end that was due here.
      .then(() => this.replica.propose({kind: 'endLease', id, expired: true}, 'whileLeading'))
      .catch((error: unknown) => this.parts.logger.warn('a lease could not be ended', {error}))
      .finally(() => this.expiring.delete(id));
    this.expiring.set(id, ended);
  }
}

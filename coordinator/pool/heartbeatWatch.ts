/** Listens to the heartbeats of the agents that are registered here and says which of them have fallen suspiciously silent, before their lease ends. */
import type {Logger} from '../observability/logger.ts';
import {type Clock, every} from '../runtime/clock.ts';
import {type Disposable, noDisposable} from '../runtime/disposable.ts';
import {AccrualDetector} from './accrualDetector.ts';

/** Time between two looks, in ms. */
const LOOK_MS = 500;
/** A look that comes later than this says that we ourselves stood still. */
const LATE_MS = 1500;

interface Heard {
  readonly detector: AccrualDetector;
  trouble: string | undefined;
}

export class HeartbeatWatch implements Disposable {
  private readonly agents = new Map<string, Heard>();
  private looking: Disposable = noDisposable;
  private lookedAt = 0;

  constructor(
    private readonly periodMs: number,
    private readonly services: {readonly clock: Clock; readonly logger: Logger},
    /** What is said of this agent changed. */
    private readonly changed: (agentId: string) => void,
  ) {}

  start(): void {
    this.lookedAt = this.services.clock.now();
    this.looking = every(this.services.clock, LOOK_MS, () => this.look());
  }

  dispose(): void {
    this.looking.dispose();
    this.agents.clear();
  }

  /** It is heard for the first time, or again: what was known of its rhythm stays. */
  registered(agentId: string): void {
    if (this.agents.has(agentId)) this.heard(agentId);
    else {
      const detector = new AccrualDetector(this.periodMs, this.services.clock.now());
      this.agents.set(agentId, {detector, trouble: undefined});
    }
  }

  heard(agentId: string): void {
    const heard = this.agents.get(agentId);
    if (!heard) return;
    heard.detector.heartbeat(this.services.clock.now());
    if (heard.trouble === undefined) return;
    heard.trouble = undefined;
    this.services.logger.info('an agent is heard again', {agentId});
    this.changed(agentId);
  }

  forget(agentId: string): void {
    this.agents.delete(agentId);
  }

  troubleOf(agentId: string): string | undefined {
    return this.agents.get(agentId)?.trouble;
  }

  private look(): void {
    const {clock, logger} = this.services;
    const now = clock.now();
    const pauseMs = now - this.lookedAt;
    this.lookedAt = now;
    for (const [agentId, heard] of this.agents) {
      if (pauseMs > LATE_MS) heard.detector.excuse(pauseMs);
      if (heard.trouble !== undefined || !heard.detector.isSuspicious(now)) continue;
      const silentMs = Math.round(now - heard.detector.lastHeartbeat);
      heard.trouble = `no heartbeat for ${(silentMs / 1000).toFixed(1)} s`;
      logger.warn('an agent has fallen silent', {agentId, silentMs});
      this.changed(agentId);
    }
  }
}

/**
 * A circuit breaker for each agent that is connected here: one that leaves commands unanswered gets no new work until it answers a check again,
 * although its heartbeats arrive. What an agent answers, be it an error, is an answer.
 */
import {
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import type {Logger} from '../observability/logger.ts';
import {isProtocolError} from '../protocol/errors.ts';
import type {Disposable} from '../runtime/disposable.ts';

export interface BreakerSettings {
  /** Commands in a row without an answer. */
  readonly failures: number;
  /** Time after which a check may try an agent again, in ms. */
  readonly tryAgainMs: number;
}

export const BREAKER_SETTINGS: BreakerSettings = {failures: 3, tryAgainMs: 4000};

export class AgentBreakers implements Disposable {
  private readonly breakers = new Map<string, CircuitBreakerPolicy>();
  private readonly suspects = new Set<string>();
  private readonly settings: BreakerSettings;
  private listener: (agentId: string) => void = () => undefined;

  constructor(
    private readonly logger: Logger,
    settings: Partial<BreakerSettings> = {},
  ) {
    this.settings = {...BREAKER_SETTINGS, ...settings};
  }

  /** Called when what is said of an agent changed. */
  onChanged(listener: (agentId: string) => void): void {
    this.listener = listener;
  }

  /** Watches what becomes of a command that is on its way in any case. */
  observe(agentId: string, delivery: Promise<unknown>): void {
    const breaker = this.breakerOf(agentId);
    // An open circuit is closed by a check.
    if (breaker.state !== CircuitState.Closed) return void delivery.catch(() => undefined);
    void this.run(agentId, breaker, () => delivery).catch(() => undefined);
  }

  /** Asks the agent how it is; rejects without asking while its circuit is open and it is too soon to try. */
  check<T>(agentId: string, ask: () => Promise<T>): Promise<T> {
    return this.run(agentId, this.breakerOf(agentId), ask);
  }

  /** It left something unanswered last: it is worth another check soon. */
  isSuspect(agentId: string): boolean {
    return this.suspects.has(agentId) || this.troubleOf(agentId) !== undefined;
  }

  troubleOf(agentId: string): string | undefined {
    const breaker = this.breakers.get(agentId);
    return breaker && breaker.state !== CircuitState.Closed
      ? `${this.settings.failures} commands in a row were not answered`
      : undefined;
  }

  /** It came anew: what its socket was like before says nothing. */
  forget(agentId: string): void {
    this.breakers.delete(agentId);
    this.suspects.delete(agentId);
  }

  dispose(): void {
    this.listener = () => undefined;
    this.breakers.clear();
    this.suspects.clear();
  }

  private async run<T>(agentId: string, breaker: CircuitBreakerPolicy, ask: () => Promise<T>): Promise<T> {
    try {
      const answer = await breaker.execute(ask);
      this.suspects.delete(agentId);
      return answer;
    } catch (error) {
      if (isUnanswered(error)) this.suspects.add(agentId);
      throw error;
    }
  }

  private breakerOf(agentId: string): CircuitBreakerPolicy {
    const known = this.breakers.get(agentId);
    if (known) return known;
    const {failures, tryAgainMs} = this.settings;
    const breaker = circuitBreaker(handleWhen(isUnanswered), {
      halfOpenAfter: tryAgainMs,
      breaker: new ConsecutiveBreaker(failures),
    });
    breaker.onBreak(() => {
      this.logger.warn('an agent does not answer', {agentId, commands: failures});
      this.listener(agentId);
    });
    breaker.onReset(() => {
      this.logger.info('an agent answers again', {agentId});
      this.listener(agentId);
    });
    this.breakers.set(agentId, breaker);
    return breaker;
  }
}

/** Of an agent that is not connected its lease tells. */
function isUnanswered(error: unknown): boolean {
  return isProtocolError(error, 'timeout');
}

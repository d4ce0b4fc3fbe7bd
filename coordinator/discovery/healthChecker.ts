/**
 * Asks every found service at `/health`, each by itself: one that accepts and never answers costs its own check and nothing else, and nobody who
 * looks for agents waits for a check.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import {type Clock, every} from '../runtime/clock.ts';
import {deferred} from '../runtime/deferred.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {describeError} from '../runtime/errors.ts';

export type ServiceHealth =
  | {readonly kind: 'unknown'}
  | {readonly kind: 'healthy'; readonly responseMs: number; readonly at: number}
  | {readonly kind: 'unhealthy'; readonly reason: string; readonly at: number};

export interface HealthCheckerOptions {
  readonly clock: Clock;
  /** Time between two checks of a service, in ms. */
  readonly intervalMs: number;
  /** Whoever has not answered by then is not healthy, in ms. */
  readonly timeoutMs: number;
}

const UNKNOWN: ServiceHealth = {kind: 'unknown'};

export class HealthChecker implements Disposable {
  private readonly checks = new Map<string, {health: ServiceHealth; readonly owned: DisposableStore}>();

  constructor(private readonly options: HealthCheckerOptions) {}

  /** From now on, and at once. */
  watch(url: string): void {
    if (this.checks.has(url)) return;
    const check = {health: UNKNOWN, owned: new DisposableStore()};
    this.checks.set(url, check);
    let asking = false;
    const ask = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      const stop = new AbortController();
      const ending = check.owned.add({dispose: () => stop.abort()});
      const health = await this.check(url, stop.signal);
      asking = false;
      check.owned.delete(ending);
      if (!check.owned.isDisposed) check.health = health;
    };
    check.owned.add(every(this.options.clock, this.options.intervalMs, () => void ask()));
    void ask();
  }

  forget(url: string): void {
    this.checks.get(url)?.owned.dispose();
    this.checks.delete(url);
  }

  /** As it was when it was asked last. */
  healthOf(url: string): ServiceHealth {
    return this.checks.get(url)?.health ?? UNKNOWN;
  }

  dispose(): void {
    for (const url of [...this.checks.keys()]) this.forget(url);
  }

  /** One check; never rejects. */
  async check(url: string, signal?: AbortSignal): Promise<ServiceHealth> {
    const {clock, timeoutMs} = this.options;
    const began = clock.now();
    const answer = deferred<number>();
    // No secret goes along and the answer is but a hint: whose certificate it is shows when somebody joins.
    const agent = {agent: false, rejectUnauthorized: false} as const;
    const target = `${new URL(url.replace(/^ws/, 'http')).origin}/health`;
    const request = (target.startsWith('https:') ? https : http).get(target, agent, response => {
      response.resume();
      answer.resolve(response.statusCode ?? 0);
    });
    request.on('error', answer.reject);
    const end = (): void => {
      answer.reject(new Error(`no answer in ${timeoutMs} ms`));
      request.destroy();
    };
    const timer = clock.schedule(timeoutMs, end, {background: true});
    signal?.addEventListener('abort', end, {once: true});
    try {
      const status = await answer.promise;
      const at = clock.wallNow();
      return status === 200
        ? {kind: 'healthy', responseMs: clock.now() - began, at}
        : {kind: 'unhealthy', reason: `it answered ${status}`, at};
    } catch (error) {
      return {kind: 'unhealthy', reason: describeError(error), at: clock.wallNow()};
    } finally {
      timer.dispose();
      signal?.removeEventListener('abort', end);
      request.destroy();
    }
  }
}

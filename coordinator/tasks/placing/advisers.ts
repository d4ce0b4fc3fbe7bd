/**
 * Asks strategies that have to be waited for, and writes down at the task what they say; its place in the queue stays, and nobody else waits. Who does
 * not answer in time, or makes no sense, does not decide: that is advice too.
 */
import * as z from 'zod';
import type {ConsultedRule, RankedCandidate} from '../../balancing/strategy.ts';
import {AgentAssignment} from '../../protocol/strategy.ts';
import {describeError} from '../../runtime/errors.ts';
import type {TaskNode} from '../fleet/fleet.ts';
import type {Term} from '../term/term.ts';
import type {Question} from './scheduler.ts';

export type Advice =
  | {readonly kind: 'asked'; readonly rule: ConsultedRule}
  /** Best first. */
  | {readonly kind: 'given'; readonly rule: ConsultedRule; readonly ranked: readonly RankedCandidate[]}
  /** It did not decide: for a person. */
  | {readonly kind: 'none'; readonly rule: ConsultedRule; readonly reason: string};

/** Questions under way at once: tasks beyond that are asked about later. */
const MOST_AT_ONCE = 64;
const MAX_REASON_CHARS = 512;
const Answer = z.array(AgentAssignment).max(10_000);

export class Advisers {
  private asking = 0;
  private advised: () => void = () => undefined;

  constructor(private readonly term: Pick<Term, 'settings' | 'clock' | 'logger' | 'signal'>) {}

  /** Calls `listener` whenever something may be placed by what was said. */
  whenAdvised(listener: () => void): void {
    this.advised = listener;
  }

  ask({task, rule, candidates}: Question): void {
    if (this.asking >= MOST_AT_ONCE) return;
    this.asking += 1;
    const asked: Advice = {kind: 'asked', rule};
    task.advice = asked;
    this.consult(rule, candidates, task)
      .then(advice => {
        if (task.advice === asked) task.advice = advice;
      })
      .catch(() => undefined)
      .finally(() => {
        this.asking -= 1;
        if (!this.term.signal.aborted) this.advised();
      })
      .catch(() => undefined);
  }

  /** Never rejects. */
  async consult(rule: ConsultedRule, candidates: Question['candidates'], {spec}: TaskNode): Promise<Advice> {
    const {logger} = this.term;
    try {
      const answer = await this.inTime(() => rule.consult(candidates, spec));
      const known = new Set(candidates.map(({instance}) => instance.id));
      const ranked = Answer.parse(answer).filter(({agentId}) => known.has(agentId));
      if (ranked.length === 0) return {kind: 'none', rule, reason: 'it named none of the candidates'};
      return {kind: 'given', rule, ranked};
    } catch (error) {
      const reason =
        error instanceof z.ZodError
          ? `its answer makes no sense: ${z.prettifyError(error)}`
          : describeError(error);
      logger.warn('a strategy did not decide', {strategy: rule.name, task: spec.id, reason});
      return {kind: 'none', rule, reason: reason.replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_CHARS)};
    }
  }

  private inTime<T>(ask: () => Promise<T>): Promise<T> {
    const {clock, settings} = this.term;
    return new Promise((resolve, reject) => {
      const timer = clock.schedule(settings.strategyTimeoutMs, () =>
        reject(new Error(`no answer within ${settings.strategyTimeoutMs} ms`)),
      );
      // What throws at once is one that rejects.
      new Promise<T>(begin => begin(ask())).then(resolve, reject).finally(() => timer.dispose());
    });
  }
}

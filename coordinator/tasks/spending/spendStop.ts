/** What a budget that is spent stops: its session, which pauses until it is raised, and the attempts that would spend more. */
import type {SessionNode} from '../fleet/fleet.ts';
import {spendsOnModel} from '../queue/readyQueue.ts';
import type {SessionWriter} from '../sessions/sessions.ts';
import type {Conductor} from '../steps/conductor.ts';
import type {Term} from '../term/term.ts';

export class SpendStop {
  constructor(
    private readonly term: Term,
    private readonly conductor: Conductor,
    private readonly sessions: SessionWriter,
  ) {}

  /** Call when an attempt may have spent something. */
  spent(session: SessionNode): void {
    if (!this.term.budgets.isStopped(session)) return;
    if (this.term.budgets.isSessionSpent(session) && session.record.state === 'running') this.pause(session);
    for (const agent of this.term.fleet.agents.values())
      for (const attempt of agent.attempts)
        if (spendsOnModel(attempt.task) && agent.tenant === session.tenant)
          this.conductor.evaluate(attempt.task);
  }

  private pause(session: SessionNode): void {
    const spent = session.spentUsd.toFixed(2);
    const failure = `the session's budget of $${session.record.budgetUsd} is spent ($${spent}): raise it to go on`;
    this.sessions
      .update(
        session,
        () =>
          session.record.state === 'running' ? {state: 'paused', pauseReason: 'budget', failure} : undefined,
        {
          action: 'session.budgetSpent',
          principal: this.term.principal,
          detail: {spentUsd: session.spentUsd},
        },
      )
      .catch((error: unknown) =>
        this.term.logger.debug('a session was not paused', {session: session.id, error}),
      );
  }
}

/** Brings a session to its end when its last task is done: outcome, result and the final record. */

import type {CommitBundle, SessionRecord} from '../../protocol/model/session.ts';
import {RESULT_TASK_ID} from '../../protocol/model/task.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {canonicalJson} from '../../runtime/json.ts';
import {isKeptOpen, isWorkedOff, type SessionNode} from '../fleet/fleet.ts';
import {resultBundles} from '../results/bundles.ts';
import {sourcesOf} from '../steps/dispatcher.ts';
import type {Term} from '../term/term.ts';
import {sessionOutcome} from './sessionOutcome.ts';
import type {AuditAction, SessionPatch, SessionWriter} from './sessions.ts';

/** Characters of bundles that a record has room for. */
const MAX_BUNDLE_CHARS = 24_000;

export class SessionEnds {
  private readonly finishing = new Set<SessionNode>();

  constructor(
    private readonly term: Term,
    private readonly sessions: SessionWriter,
    private readonly ended: (session: SessionNode) => void,
  ) {}

  /** Call whenever the last task may have come to its end. */
  workedOff(session: SessionNode): void {
    if (this.finishing.has(session) || session.closed || isKeptOpen(session)) return;
    this.finishing.add(session);
    this.finish(session)
      .catch((error: unknown) => {
        if (this.term.signal.aborted) return;
        this.term.logger.error('a session could not be ended', {session: session.id, error});
        this.term.depose(`session ${session.id} could not be ended`);
      })
      .finally(() => this.finishing.delete(session));
  }

  /** Not while tasks are being taken up again: then it is asked for anew. */
  private async finish(session: SessionNode): Promise<void> {
    const {clock, fleet, principal} = this.term;
    const outcome = sessionOutcome(session);
    const result = outcome.state === 'succeeded' ? await this.result(session) : undefined;
    const patch = (): Partial<SessionRecord> | undefined =>
      isWorkedOff(session) && !session.held && !isKeptOpen(session)
        ? {
            ...outcome,
            result,
            endedAt: clock.wallNow(),
            open: undefined,
            endingAs: undefined,
            endMode: undefined,
            pauseReason: undefined,
          }
        : undefined;
    const audit = {
      action: 'session.finished',
      principal,
      detail: {state: outcome.state, spentUsd: session.spentUsd},
    };
    const record = await this.sessions.update(session, patch, audit).catch((error: unknown) => {
      if (!isCoordinatorError(error, 'limit')) throw error;
      this.term.logger.error('the end of a session is too large to store', {session: session.id, error});
      return this.finishWithout(session, outcome.state, patch, audit);
    });
    if (record.endedAt === undefined) return;
    fleet.dropSession(session);
    this.ended(session);
  }

  /** An end without a result is better than none. */
  private finishWithout(
    session: SessionNode,
    state: SessionRecord['state'],
    patch: SessionPatch,
    audit: AuditAction,
  ): Promise<SessionRecord> {
    const {workspace} = session.record;
    const shorter = (): Partial<SessionRecord> | undefined => {
      const whole = patch();
      return (
        whole && {
          ...whole,
          state: 'failed',
          failure: `the session ended as ${state}, but its result is too large to store: its commits are in the records of its tasks`,
          result: undefined,
          workspace: workspace && {...workspace, bundles: []},
        }
      );
    };
    return this.sessions.update(session, shorter, {...audit, detail: {...audit.detail, state: 'failed'}});
  }

  private async result(session: SessionNode): Promise<SessionRecord['result']> {
    const commit = session.tasks.get(RESULT_TASK_ID)?.record.result?.commit;
    if (commit === undefined) return undefined;
    const branch = `mcpx/${session.id}`;
    const bundles = resultBundles(session.record.workspace, sourcesOf(session), RESULT_TASK_ID);
    if (fits(bundles)) return {commit, branch, bundles};
    const bundleList = await this.term.plans.put(session.tenant, canonicalJson(bundles));
    return {commit, branch, bundles: [], bundleList};
  }
}

function fits(bundles: readonly CommitBundle[]): boolean {
  return bundles.length < 256 && JSON.stringify(bundles).length <= MAX_BUNDLE_CHARS;
}

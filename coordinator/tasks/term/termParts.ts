/** Makes what all parts of a term share. */
import {SYSTEM_KEYS} from '../../protocol/model/keys.ts';
import {HubClock} from '../../runtime/hubClock.ts';
import {Fleet} from '../fleet/fleet.ts';
import {Advisers} from '../placing/advisers.ts';
import {Scheduler} from '../placing/scheduler.ts';
import {type PlacementClass, ReadyQueue, spendsOnModel} from '../queue/readyQueue.ts';
import {Allotments} from '../spending/allotments.ts';
import {Budgets} from '../spending/budgets.ts';
import {Committer} from '../steps/committer.ts';
import type {Held} from './election.ts';
import type {Term} from './term.ts';

/** What a term needs from outside. */
export type TermOptions = Pick<
  Term,
  | 'store'
  | 'channel'
  | 'plans'
  | 'results'
  | 'auditedTxn'
  | 'clock'
  | 'random'
  | 'settings'
  | 'policy'
  | 'coordinator'
  | 'logger'
> & {
  /** Sessions, as `tenant/id`, over which a term of this process stumbled. */
  readonly suspects: Set<string>;
};

/** What happens to the term. */
export type TermEnds = Pick<Term, 'depose' | 'faulted'>;

/** `hubTimeMs` is the last that was stored. Whoever ends the term stops its committer and aborts `signal`. */
export function createTerm(
  options: TermOptions,
  held: Held,
  hubTimeMs: number,
  signal: AbortSignal,
  {depose, faulted}: TermEnds,
): Term {
  const {store, clock, settings, logger, coordinator} = options;
  const principal = `coordinator:${coordinator}`;
  const fleet = new Fleet();
  const queue = new ReadyQueue();
  const budgets = new Budgets(fleet, () => clock.wallNow(), settings.fleetBudgetUsdPerDay, principal);
  const allotments = new Allotments(fleet, queue, budgets, settings.allotmentFloorUsd);
  const mayStart = ({session, isPrompt}: PlacementClass): boolean => {
    const {state, endMode} = session.record;
    const goesOn = state === 'running' || (state === 'ending' && endMode === 'rollback');
    if (!goesOn || session.held) return false;
    return !isPrompt || (!budgets.isStopped(session) && allotments.hasFree(session));
  };
  const advisers = new Advisers({settings, clock, logger, signal});
  const scheduler = new Scheduler(fleet, queue, mayStart, {
    seed: Math.floor(options.random.next() * 2 ** 32),
    autoWaitMs: settings.autoWaitMs,
    maxRunning: settings.maxRunning,
    shares: options.policy.shares,
    ask: question => advisers.ask(question),
    mayDouble: task => !spendsOnModel(task) || allotments.mayDouble(task),
  });
  const committer = new Committer(
    store,
    {key: SYSTEM_KEYS.lead, target: 'create', op: '=', operand: held.createRevision},
    {
      clock,
      logger,
      maxInFlight: settings.maxTxnsInFlight,
      onFenced: () => depose('its fence has fallen'),
      onFault: error => faulted('a step', error),
    },
  );
  return {
    ...options,
    incarnation: store.status().incarnation,
    committer,
    fleet,
    queue,
    scheduler,
    advisers,
    budgets,
    allotments,
    hub: new HubClock(clock, hubTimeMs),
    principal,
    signal,
    depose,
    faulted,
  };
}

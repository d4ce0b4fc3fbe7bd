/** Commands that only the lead carries out, from whoever came with them to whichever coordinator: here when it leads, else at the one that does. */
import type {Caller} from '../hub/caller.ts';
import type {Method, Params, ResultInput} from '../protocol/commands/table.ts';
import {isProtocolError, ProtocolError} from '../protocol/errors.ts';
import {LeadRecord} from '../protocol/model/facts.ts';
import {SYSTEM_KEYS} from '../protocol/model/keys.ts';
import {type Clock, delay} from '../runtime/clock.ts';
import type {Principal} from '../security/principal.ts';
import {storedRecord} from '../store/records.ts';
import type {Store} from '../store/store.ts';
import type {CoordinatorDirectory} from './coordinatorDirectory.ts';
import type {CoordinatorLinks} from './coordinatorLinks.ts';
import {answerOf} from './passOn.ts';

export interface LeadRoutingOptions {
  readonly store: Store;
  /** Ours. */
  readonly coordinator: string;
  readonly directory: Pick<CoordinatorDirectory, 'others'>;
  readonly links: Pick<CoordinatorLinks, 'peer'>;
  readonly clock: Clock;
}

/** The present lead may be dead: then it takes its lease's time until there is another. */
const PATIENCE_MS = 20_000;
const ANSWER_MS = 60_000;
const LOOK_MS = 100;
/** Carried out twice they have done the same. */
const REPEATABLE: ReadonlySet<Method> = new Set<Method>([
  'mcpx.orchestrate.session.start',
  'mcpx.orchestrate.session.end',
  'mcpx.coordinate.dependency.resolve',
  'mcpx.distribute.task.split',
  'mcpx.distribute.plan',
  'mcpx.cache.list',
  'mcpx.cache.clear',
  'mcpx.mode.get',
  'mcpx.mode.set',
]);
/** Faults of the way by which nothing was done about the command. */
const NOT_TAKEN = ['draining', 'overloaded'] as const;

export class LeadRouting {
  constructor(private readonly options: LeadRoutingOptions) {}

  /** The coordinator that holds the lead, as far as this one knows. */
  async leader(): Promise<string | undefined> {
    const kv = await this.options.store.get(SYSTEM_KEYS.lead, {consistency: 'local'});
    return kv && storedRecord(LeadRecord, kv).value.coordinator;
  }

  /**
   * Runs the command `here` or has the lead run it. Rejects with what it ended with, or `unavailable`, which says whether it may have taken
   * effect.
   */
  async run<M extends Method>(
    method: M,
    params: Params<M>,
    {principal, signal}: Pick<Caller, 'principal' | 'signal'>,
    here: () => Promise<ResultInput<M>>,
  ): Promise<ResultInput<M>> {
    const {coordinator, directory, links, clock} = this.options;
    const deadline = clock.now() + PATIENCE_MS;
    for (;;) {
      if (directory.others().length === 0) return here();
      const lead = await this.leader();
      if (lead === coordinator) return here();
      const through = lead === undefined ? undefined : links.peer(lead);
      if (through) {
        const passed = await this.passOn(through, {method, params, principal}, signal);
        if (passed) return passed as ResultInput<M>;
      }
      if (clock.now() >= deadline) {
        const who =
          lead === undefined ? 'nobody leads at present' : `coordinator ${lead} leads and is not reached`;
        throw new ProtocolError('unavailable', `${method} was not carried out: ${who}`, {lead});
      }
      await delay(clock, LOOK_MS, signal);
    }
  }

  /** For commands that another coordinator passes on. Throws when it is mistaken about who leads: it looks again. */
  async checkLead(): Promise<void> {
    if ((await this.leader()) !== this.options.coordinator)
      throw new ProtocolError('draining', 'this coordinator does not lead');
  }

  /** Undefined when nothing was done and the lead has to be looked for again. */
  private async passOn(
    through: NonNullable<ReturnType<CoordinatorLinks['peer']>>,
    {principal: {id, tenant, role, agentId}, ...call}: {method: Method; params: object; principal: Principal},
    signal: AbortSignal,
  ): Promise<object | undefined> {
    if (role === 'peer')
      throw new ProtocolError('forbidden', 'coordinators send the lead no commands of their own');
    const command = {...call, params: {...call.params}, principal: {id, tenant, role, agentId}};
    const passed = await through
      .request('mcpx.cluster.command', command, {timeoutMs: ANSWER_MS, signal})
      .catch((error: unknown) => {
        if (NOT_TAKEN.some(kind => isProtocolError(error, kind))) return undefined;
        if (!isProtocolError(error, 'unavailable')) throw error;
        if (REPEATABLE.has(call.method)) return undefined;
        throw new ProtocolError(
          'unavailable',
          `the lead was lost meanwhile; whether ${call.method} took effect is not known`,
        );
      });
    return passed && answerOf(passed.outcome);
  }
}

/** Reports finished attempts until the hub has taken or refused each of them for good, over lost sockets and restarts of the agent. */
import type {Logger} from '../../observability/logger.ts';
import type {TaskComplete} from '../../protocol/commands/attempt.ts';
import {type ErrorName, isProtocolError} from '../../protocol/errors.ts';
import {CoordinatorError, describeError} from '../../runtime/errors.ts';
import {clipText} from '../runner/clipEvent.ts';
import type {AgentLink} from './agentLink.ts';
import type {CompletionLog} from './completionLog.ts';

export type CompletionVerdict =
  /** With `gates` the worktree is needed until it is released. */
  | {readonly kind: 'accepted'; readonly gates: boolean}
  /** The attempt had lost its right to effects: nothing of it counts. */
  | {readonly kind: 'stale'}
  /** The hub can make nothing of it. */
  | {readonly kind: 'refused'; readonly message: string};

/** The report itself is at fault, which a shorter one mends. */
const MALFORMED: ReadonlySet<ErrorName> = new Set(['invalidParams', 'tooLarge']);

/** Half of the smallest message that a coordinator takes by default. */
const MAX_REPORT_CHARACTERS = 2 * 1024 * 1024;

export class CompletionSender {
  private readonly sending = new Map<string, AbortController>();

  constructor(
    private readonly log: CompletionLog,
    private readonly link: AgentLink,
    private readonly logger: Logger,
  ) {}

  /** Rejects with `closed` when the agent stops first: the log still has it then. */
  async send(completion: TaskComplete): Promise<CompletionVerdict> {
    const {attemptId} = completion;
    const dropped = new AbortController();
    this.sending.set(attemptId, dropped);
    let verdict: CompletionVerdict;
    try {
      verdict = await this.ask(completion, dropped.signal);
    } catch (error) {
      if (!dropped.signal.aborted) throw error;
      verdict = {kind: 'stale'};
    } finally {
      this.sending.delete(attemptId);
    }
    this.log.remove(attemptId);
    if (verdict.kind === 'stale')
      this.logger.warn('the hub refused a completion: the attempt had been given up', {attemptId});
    if (verdict.kind === 'refused')
      this.logger.error('the hub refused a completion', {attemptId, message: verdict.message});
    return verdict;
  }

  /** The hub has said otherwise that the attempt's fence has fallen: its completion need not be sent. */
  drop(attemptId: string): void {
    this.log.remove(attemptId);
    this.sending.get(attemptId)?.abort(new CoordinatorError('cancelled', 'the attempt was given up'));
  }

  private async ask(completion: TaskComplete, signal: AbortSignal): Promise<CompletionVerdict> {
    // A message beyond the bound would cost the connection instead of being refused, again and again.
    if (JSON.stringify(completion.report).length > MAX_REPORT_CHARACTERS)
      return this.ask(withoutReport(completion, 'it is too large'), signal);
    try {
      const {gates} = await this.link.deliver('mcpx.orchestrate.task.complete', completion, {signal});
      return {kind: 'accepted', gates};
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      if (error.kind === 'staleFence' || error.kind === 'notFound') return {kind: 'stale'};
      const {report} = completion;
      if (!MALFORMED.has(error.kind) || (report.outcome === 'failed' && report.failure.kind === 'internal'))
        return {kind: 'refused', message: error.message};
      return this.ask(withoutReport(completion, describeError(error)), signal);
    }
  }
}

function withoutReport(completion: TaskComplete, why: string): TaskComplete {
  const message = clipText(`the hub could not take the report: ${why}`, 8192);
  return {...completion, report: {outcome: 'failed', failure: {kind: 'internal', message}}};
}

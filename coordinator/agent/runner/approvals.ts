/** Requests of running attempts that wait for a person, kept alive over lost connections until they are answered or withdrawn. */
import type {ApprovalAnswer} from '../../protocol/approval.ts';
import type {ParamsInput} from '../../protocol/commands/table.ts';
import {rejectOnAbort} from '../../runtime/abort.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {newId, type Random} from '../../runtime/random.ts';
import {type AgentLink, PATIENT_FAULTS} from '../link/agentLink.ts';

type Ask = ParamsInput<'mcpx.approval.ask'>;

export class Approvals {
  private readonly waiting = new Map<string, Deferred<ApprovalAnswer>>();

  constructor(
    private readonly link: AgentLink,
    private readonly random: Random,
  ) {}

  get count(): number {
    return this.waiting.size;
  }

  /** Resolves with the answer. Rejects with the signal's reason, or with the hub's refusal. */
  async ask(request: Omit<Ask, 'approvalId'>, signal: AbortSignal): Promise<ApprovalAnswer> {
    const approvalId = newId(this.random, 'p', 8);
    const answered = deferred<ApprovalAnswer>();
    this.waiting.set(approvalId, answered);
    const abortion = rejectOnAbort(answered, signal);
    const over = new AbortController();
    try {
      // Asked again after each reconnect: an answer that was given meanwhile may have found nobody here.
      const asking = this.askOnEachLink(
        {...request, approvalId},
        answered,
        AbortSignal.any([signal, over.signal]),
      );
      return await Promise.race([answered.promise, asking]);
    } finally {
      abortion.dispose();
      this.waiting.delete(approvalId);
      over.abort();
    }
  }

  /** False when nobody waits for it (any more). */
  deliver(approvalId: string, answer: ApprovalAnswer): boolean {
    const waiting = this.waiting.get(approvalId);
    waiting?.resolve(answer);
    return waiting !== undefined;
  }

  private async askOnEachLink(
    ask: Ask,
    answered: Deferred<ApprovalAnswer>,
    signal: AbortSignal,
  ): Promise<ApprovalAnswer> {
    for (;;) {
      const registrations = this.link.registrations;
      const {answer} = await this.link.deliver('mcpx.approval.ask', ask, {signal, maxFaults: PATIENT_FAULTS});
      if (answer) return answer;
      const again = deferred<'again'>();
      const listening = this.link.onUp.event(() => again.resolve('again'));
      if (this.link.registrations !== registrations) again.resolve('again');
      try {
        const first = await Promise.race([again.promise, answered.promise]);
        if (first !== 'again') return first;
      } finally {
        listening.dispose();
      }
    }
  }
}

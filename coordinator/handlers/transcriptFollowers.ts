/** Clients that read a transcript as it grows. One that reads too slowly misses events and sees the gap in their numbers: it reads them itself. */
import type {Caller} from '../hub/caller.ts';
import type {Params} from '../protocol/commands/table.ts';
import type {Disposable} from '../runtime/disposable.ts';
import type {TranscriptService} from '../transcripts/transcriptService.ts';

const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

export class TranscriptFollowers implements Disposable {
  private readonly followers = new Map<string, Map<string, Caller>>();
  private readonly subscription: Disposable;

  constructor(transcripts: TranscriptService) {
    this.subscription = transcripts.onEvents(({attemptId, firstSeq, events}) => {
      for (const caller of this.followers.get(attemptId)?.values() ?? []) {
        if (caller.outbox.backlog <= MAX_BACKLOG_BYTES)
          caller.notify('mcpx.transcript.events', {attemptId, firstSeq, events: [...events]});
      }
    });
  }

  follow({attemptId, follow}: Params<'mcpx.transcript.follow'>, caller: Caller): Record<string, never> {
    if (!follow) {
      this.leave(attemptId, caller.connectionId);
      return {};
    }
    const callers = this.followers.get(attemptId) ?? new Map<string, Caller>();
    this.followers.set(attemptId, callers);
    if (!callers.has(caller.connectionId)) caller.onClose(() => this.leave(attemptId, caller.connectionId));
    callers.set(caller.connectionId, caller);
    return {};
  }

  dispose(): void {
    this.subscription.dispose();
    this.followers.clear();
  }

  private leave(attemptId: string, connectionId: string): void {
    const callers = this.followers.get(attemptId);
    callers?.delete(connectionId);
    if (callers?.size === 0) this.followers.delete(attemptId);
  }
}

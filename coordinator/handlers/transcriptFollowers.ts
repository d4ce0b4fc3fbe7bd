/** Clients that read a transcript as it grows. One that reads too slowly misses events and sees the gap in their numbers: it reads them itself. */

import type {TranscriptRelay} from '../cluster/transcriptRelay.ts';
import type {Caller} from '../hub/caller.ts';
import type {Params, ParamsInput} from '../protocol/commands/table.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import type {TranscriptService} from '../transcripts/transcriptService.ts';

const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;

type Events = ParamsInput<'mcpx.transcript.events'>;

export class TranscriptFollowers implements Disposable {
  private readonly followers = new Map<string, Map<string, Caller>>();
  private readonly owned = new DisposableStore();

  constructor(
    transcripts: TranscriptService,
    /** For transcripts that grow at another coordinator. */
    private readonly elsewhere: TranscriptRelay,
  ) {
    this.owned.add(
      transcripts.onEvents(({attemptId, firstSeq, events}) =>
        this.tell({attemptId, firstSeq, events: [...events]}, () => true),
      ),
    );
    // Other coordinators follow it there themselves.
    this.owned.add(elsewhere.onEvents(events => this.tell(events, isClient)));
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
    this.lookElsewhere(attemptId);
    return {};
  }

  dispose(): void {
    this.owned.dispose();
    this.followers.clear();
  }

  private leave(attemptId: string, connectionId: string): void {
    const callers = this.followers.get(attemptId);
    callers?.delete(connectionId);
    if (callers?.size === 0) this.followers.delete(attemptId);
    this.lookElsewhere(attemptId);
  }

  private lookElsewhere(attemptId: string): void {
    const callers = [...(this.followers.get(attemptId)?.values() ?? [])];
    this.elsewhere.follow(attemptId, callers.some(isClient));
  }

  private tell(events: Events, who: (caller: Caller) => boolean): void {
    for (const caller of this.followers.get(events.attemptId)?.values() ?? [])
      if (who(caller) && caller.outbox.backlog <= MAX_BACKLOG_BYTES)
        caller.notify('mcpx.transcript.events', events);
  }
}

function isClient({principal}: Caller): boolean {
  return principal.role !== 'peer';
}

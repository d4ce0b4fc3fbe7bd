/**
 * What backups write to shared memory before they have the fence of their task: each sees its own, nobody else does. Once a backup has the fence they
 * are written in their order, on top of what it had seen; else they are forgotten. In memory alone: whoever dies with them is no attempt any more.
 */
import type {OfflineWrite} from '../../protocol/commands/memory.ts';

export interface StagedWrite {
  readonly sessionId: string;
  /** Without a number of its own yet. */
  readonly write: OfflineWrite;
}

export class StagedWrites {
  private readonly byAttempt = new Map<string, StagedWrite[]>();
  private waiting = 0;

  /** Of all values that wait. */
  get bytes(): number {
    return this.waiting;
  }

  /** From now on the attempt's writes wait. */
  open(attemptId: string): void {
    this.close(attemptId);
    this.byAttempt.set(attemptId, []);
  }

  isOpen(attemptId: string): boolean {
    return this.byAttempt.has(attemptId);
  }

  add(attemptId: string, staged: StagedWrite): void {
    const writes = this.byAttempt.get(attemptId);
    if (!writes) return;
    writes.push(staged);
    this.waiting += bytesOf(staged);
  }

  of(attemptId: string): readonly StagedWrite[] {
    return this.byAttempt.get(attemptId) ?? [];
  }

  newest(attemptId: string, key: string): OfflineWrite | undefined {
    return this.of(attemptId).findLast(({write}) => write.key === key)?.write;
  }

  /** What has waited, in its order; its writes wait no more. */
  close(attemptId: string): readonly StagedWrite[] {
    const staged = this.of(attemptId);
    this.byAttempt.delete(attemptId);
    for (const each of staged) this.waiting -= bytesOf(each);
    return staged;
  }
}

function bytesOf({write}: StagedWrite): number {
  return Buffer.byteLength(JSON.stringify(write.value ?? null));
}

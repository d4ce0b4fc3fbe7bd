/** The transcripts of which the tree shows tool calls: a few at once, the one that was looked at longest ago is closed first. Pure. */
import type {TranscriptEvent} from '../../../coordinator/protocol/transcript.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import {ToolCalls} from './toolCalls.ts';

/** Follows the end of a transcript. `whole` resolves when what there was has been told. */
export type FollowTranscript = (
  attemptId: string,
  take: (events: readonly TranscriptEvent[]) => void,
) => {readonly whole: Promise<void>} & Disposable;

const MOST = 8;

interface Open {
  readonly calls: ToolCalls;
  readonly followed: ReturnType<FollowTranscript> | undefined;
}

export class OpenTranscripts implements Disposable {
  /** Looked at longest ago first. */
  private readonly open = new Map<string, Open>();
  private visible = true;

  constructor(
    private readonly follow: FollowTranscript,
    private readonly changed: (attemptId: string, calls: ReadonlySet<string>, added: boolean) => void,
  ) {}

  get size(): number {
    return [...this.open.values()].filter(({followed}) => followed).length;
  }

  calls(attemptId: string): ToolCalls | undefined {
    return this.open.get(attemptId)?.calls;
  }

  /** Resolves when what there was is known. */
  show(attemptId: string): Promise<void> | undefined {
    const known = this.open.get(attemptId);
    this.open.delete(attemptId);
    if (known?.followed) {
      this.open.set(attemptId, known);
      return known.followed.whole;
    }
    const calls = new ToolCalls(attemptId);
    const followed = this.follow(attemptId, events => {
      const {changed, added} = calls.take(events);
      if (changed.size > 0 || added) this.changed(attemptId, changed, added);
    });
    this.open.set(attemptId, {calls, followed});
    const [oldest] = this.open.keys();
    if (this.open.size > MOST && oldest !== undefined) this.hide(oldest);
    return followed.whole;
  }

  hide(attemptId: string): void {
    const open = this.open.get(attemptId);
    this.open.delete(attemptId);
    open?.followed?.dispose();
  }

  /** While nobody looks, what was read stays and nothing is followed. */
  watched(isVisible: boolean): void {
    if (isVisible === this.visible) return;
    this.visible = isVisible;
    for (const [attemptId, {calls, followed}] of [...this.open]) {
      if (isVisible) void this.show(attemptId);
      else {
        followed?.dispose();
        this.open.set(attemptId, {calls, followed: undefined});
      }
    }
  }

  dispose(): void {
    for (const attemptId of [...this.open.keys()]) this.hide(attemptId);
  }
}

/** Tells the others of a commit that no message with entries has carried along in time. A commit is no news to its proposer. */
import type {Disposable} from '../../runtime/disposable.ts';
import type {ReplicaParts} from './replicaParts.ts';

export class CommitNotice implements Disposable {
  private due: Disposable | undefined;

  /** `told` hands out the messages that came of it. */
  constructor(
    private readonly parts: Pick<ReplicaParts, 'raft' | 'clock' | 'settings'>,
    private readonly told: () => void,
  ) {}

  /** Within `commitNoticeMs`, if there is anything to tell by now. */
  soon(): void {
    const {raft, clock, settings} = this.parts;
    if (this.due || !raft.hasUntoldCommits) return;
    this.due = clock.schedule(settings.commitNoticeMs, () => {
      this.due = undefined;
      raft.tellCommits();
      this.told();
    });
  }

  dispose(): void {
    this.due?.dispose();
  }
}

/** Stops Claude Code from spending while the hub has been out of reach for long, and lets it go on when the hub is back. */
import {type Clock, every} from '../../runtime/clock.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../runtime/disposable.ts';
import type {AgentLink} from '../link/agentLink.ts';
import type {Attempt} from './attempt.ts';
import type {Attempts} from './attempts.ts';
import {RESUME_TEXT} from './promptText.ts';

const CHECK_MS = 1000;

export class OfflineGuard implements Disposable {
  private readonly owned = new DisposableStore();
  private readonly held = new Map<Attempt, Disposable>();
  private readonly asked = new Set<Attempt>();
  private timer: Disposable = noDisposable;

  constructor(
    private readonly attempts: Attempts,
    private readonly link: Pick<AgentLink, 'onUp' | 'onDown' | 'isUp'>,
    private readonly clock: Clock,
    private readonly maxOfflineMs: number,
  ) {
    this.owned.add(link.onDown.event(() => this.arm()));
    // What lost its fence meanwhile was dropped at the registration, before the link counts as up.
    this.owned.add(link.onUp.event(() => this.resume()));
  }

  dispose(): void {
    this.timer.dispose();
    this.owned.dispose();
  }

  private arm(): void {
    this.timer.dispose();
    this.timer = this.clock.schedule(this.maxOfflineMs, () => {
      this.hold();
      // Also those that only then begin, or were waiting for a person.
      this.timer = every(this.clock, CHECK_MS, () => this.hold());
    });
  }

  private hold(): void {
    for (const attempt of this.attempts.all()) {
      const {state, assign} = attempt;
      // One that waits for a person spends nothing, and has no turn that could be ended.
      const spends = state.kind === 'running' && assign.task.work.kind === 'prompt';
      if (spends && !this.held.has(attempt) && !this.asked.has(attempt)) void this.interrupt(attempt);
    }
  }

  private async interrupt(attempt: Attempt): Promise<void> {
    this.asked.add(attempt);
    const done = await attempt.control(run => run.interrupt());
    this.asked.delete(attempt);
    // It may only be starting: the next look tries again.
    if (!done) return;
    const seconds = Math.round(this.maxOfflineMs / 1000);
    attempt.transcript.note(
      'warn',
      `The hub has been out of reach for ${seconds} s: Claude Code was interrupted so that it stops spending, and goes on when the hub is back.`,
    );
    this.held.set(attempt, attempt.activeClock.hold());
    if (this.link.isUp) this.resume();
  }

  private resume(): void {
    this.timer.dispose();
    const held = [...this.held];
    this.held.clear();
    for (const [attempt, clockHold] of held) {
      clockHold.dispose();
      if (attempt.state.kind !== 'running' || attempt.work.signal.aborted) continue;
      attempt.transcript.note('info', 'The hub is back: the work goes on.');
      void attempt.control(run => run.send(RESUME_TEXT));
    }
  }
}

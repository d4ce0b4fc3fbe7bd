/** Looks now and then at what a running attempt has changed, soon after it did something, and tells what is new. */
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {Attempt} from './attempt.ts';
import type {RunnerServices} from './runnerServices.ts';

/** A look that takes long is worth a longer pause: at most this part of a core goes into it. */
const SHARE = 0.05;
/** Work that says nothing may change something too. */
const QUIET_FACTOR = 4;

export class PathWatch {
  private timer: Disposable = noDisposable;
  private looking: Promise<void> = Promise.resolve();
  private readonly over = new AbortController();
  private isTouched = false;
  private pauseMs: number;
  private lookedAt: number;
  private told = '';

  constructor(
    private readonly attempt: Pick<Attempt, 'id' | 'transcript'>,
    private readonly workspace: Pick<Workspace, 'git' | 'changedPaths'>,
    private readonly services: Pick<RunnerServices, 'clock' | 'logger' | 'settings'>,
  ) {
    this.pauseMs = services.settings.pathsMs;
    this.lookedAt = services.clock.now();
    if (this.isWanted) this.plan();
  }

  /** The work has just done something. */
  touched(): void {
    if (this.isTouched || !this.isWanted) return;
    this.isTouched = true;
    this.plan();
  }

  /** Resolves when nothing reads the worktree any more. */
  async stop(): Promise<void> {
    this.over.abort();
    this.timer.dispose();
    await this.looking;
  }

  private get isWanted(): boolean {
    return this.services.settings.pathsMs > 0 && this.workspace.git !== undefined;
  }

  private plan(): void {
    this.timer.dispose();
    if (this.over.signal.aborted) return;
    const {clock} = this.services;
    const pauseMs = this.isTouched ? this.pauseMs : this.pauseMs * QUIET_FACTOR;
    const wait = Math.max(0, this.lookedAt + pauseMs - clock.now());
    this.timer = clock.schedule(wait, () => {
      this.looking = this.looking.then(() => this.look());
    });
  }

  private async look(): Promise<void> {
    const {clock, logger, settings} = this.services;
    this.isTouched = false;
    const began = clock.now();
    try {
      const paths = await this.workspace.changedPaths(this.over.signal);
      const text = JSON.stringify(paths);
      if (paths && text !== this.told && (this.told !== '' || paths.names.length > 0)) {
        this.told = text;
        this.attempt.transcript.changed(paths);
      }
    } catch (error) {
      if (this.over.signal.aborted) return;
      logger.debug('what an attempt has changed is not known', {attemptId: this.attempt.id, error});
    }
    this.lookedAt = clock.now();
    this.pauseMs = Math.max(settings.pathsMs, (this.lookedAt - began) / SHARE);
    this.plan();
  }
}

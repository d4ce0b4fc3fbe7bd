/** The attempts of one agent: takes assignments, keeps slots, and knows what is held when the hub asks. */
import type {TaskAssign, TaskComplete} from '../../protocol/commands/attempt.ts';
import type {Params, ResultInput} from '../../protocol/commands/table.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import type {Fence} from '../../protocol/ids.ts';
import {NO_USAGE, type Usage} from '../../protocol/usage.ts';
import {delay} from '../../runtime/clock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {Attempt} from './attempt.ts';
import {succeeded} from './attemptReport.ts';
import {occupiesSlot} from './attemptState.ts';
import type {RunnerServices} from './runnerServices.ts';
import type {StopCause} from './stopCause.ts';

type Assigned = ResultInput<'mcpx.orchestrate.task.assign'>;
type Held = Params<'mcpx.agent.register'>['attempts'][number];

const NOTHING_DONE = succeeded('nothing to do', undefined);

export class Attempts {
  private readonly live = new Map<string, Attempt>();
  private readonly running = new Set<Promise<void>>();
  /** Load tests: attempts without a folder, a process or a transcript. */
  private readonly noops = new Map<string, Fence>();
  /** Of these, those that are not done: whoever is being reported has given its slot back. */
  private busyNoops = 0;
  /** Ended ones, oldest first. */
  private readonly remembered = new Set<string>();
  draining = false;
  /** While everything is being stopped. */
  stopping = false;

  constructor(
    private readonly services: RunnerServices,
    private readonly slots: number,
  ) {}

  assign(assign: TaskAssign): Assigned {
    const {attemptId} = assign;
    if (this.live.has(attemptId)) return {kind: 'known', worktree: this.services.worktreeOf(attemptId)};
    if (this.noops.has(attemptId) || this.remembered.has(attemptId)) return {kind: 'known'};
    if (this.stopping) return refused('stopped', 'every attempt of this agent is being stopped');
    if (this.draining) return refused('draining', 'this agent takes no more attempts');
    const slot = this.freeSlot();
    if (slot === undefined) return refused('noSlot', `all ${this.slots} slots are taken`);
    const {task, workspace} = assign;
    if (task.work.kind === 'noop' && workspace.kind === 'none') {
      this.start(attemptId, this.runNoop(assign));
      return {kind: 'accepted'};
    }
    const attempt = new Attempt(assign, slot, this.services);
    this.live.set(attemptId, attempt);
    this.start(attemptId, attempt.run());
    return {kind: 'accepted', worktree: this.services.worktreeOf(attemptId)};
  }

  get(attemptId: string): Attempt | undefined {
    return this.live.get(attemptId);
  }

  all(): Attempt[] {
    return [...this.live.values()];
  }

  /** Slots taken. */
  get busy(): number {
    return this.all().filter(attempt => occupiesSlot(attempt.state)).length + this.busyNoops;
  }

  held(): Held[] {
    const held: Held[] = [];
    for (const {id, assign, state} of this.live.values()) {
      if (state.kind === 'ended') continue;
      const finished = state.kind === 'reporting' ? 'finished' : undefined;
      held.push({
        attemptId: id,
        fence: assign.fence,
        state: finished ?? (occupiesSlot(state) ? 'running' : 'gated'),
      });
    }
    for (const [attemptId, fence] of this.noops) held.push({attemptId, fence, state: 'finished'});
    return held;
  }

  usage(): {attemptId: string; usage: Usage}[] {
    return this.all()
      .filter(attempt => occupiesSlot(attempt.state))
      .map(attempt => ({attemptId: attempt.id, usage: attempt.transcript.usage}));
  }

  /** Resolves to whether its worktree is there now, whole, and stays. */
  async release(attemptId: string, keep: boolean): Promise<boolean> {
    const attempt = this.live.get(attemptId);
    // Ended here already; its folder may have been kept.
    if (!attempt) return this.services.workspaces.release(attemptId, {keep});
    const kept = await attempt.release(keep);
    this.forgetEnded(attemptId);
    return kept;
  }

  /** The hub says that these have lost their fence. */
  dropStale(attemptIds: readonly string[]): void {
    for (const attemptId of attemptIds) {
      const attempt = this.live.get(attemptId);
      if (attempt) attempt.stop({kind: 'stale'}, true);
      else this.services.completions.drop(attemptId);
      this.forgetEnded(attemptId);
    }
  }

  /** Ends all work and all gates; resolves with the number of attempts that this ended, when nothing runs. */
  async stopAll(cause: StopCause, graceMs: number): Promise<number> {
    const {clock} = this.services;
    this.stopping = true;
    try {
      const working = this.all().filter(({state}) => occupiesSlot(state) || state.kind === 'gated');
      for (const attempt of working) attempt.stop(cause, graceMs === 0);
      const over = new AbortController();
      const grace = delay(clock, graceMs, over.signal).then(() => {
        for (const attempt of working) if (attempt.state.kind !== 'reporting') attempt.stop(cause, true);
      });
      await Promise.all(working.map(attempt => attempt.quiet));
      over.abort();
      await grace.catch(() => undefined);
      return working.length;
    } finally {
      this.stopping = false;
    }
  }

  /** Nothing can go on without a hub that is out of reach: no attempt is at work, none waits for a gate. */
  get isIdle(): boolean {
    return this.busy === 0 && !this.all().some(({state}) => state.kind === 'gated');
  }

  /**
   * The agent leaves: ends at once what may be run again, and reports it as cancelled, which costs its task nothing. Resolves with those
   * attempts when they work no more. One that must not run twice is left to `close`: whether it may is for the hub to say.
   */
  async giveBack(reason: string): Promise<readonly Attempt[]> {
    this.draining = true;
    const given = this.all().filter(({state, assign}) => {
      const mayRunAgain = state.kind === 'preparing' || assign.task.onLost === 'rerun';
      return occupiesSlot(state) && mayRunAgain;
    });
    for (const attempt of given) attempt.stop({kind: 'cancelled', reason}, true);
    await Promise.all(given.map(attempt => attempt.quiet));
    return given;
  }

  /** The agent leaves: ends all work, and what waits for its gates or for the hub. */
  async close(): Promise<void> {
    this.draining = true;
    await this.stopAll({kind: 'agentStopped'}, 0);
    for (const attempt of this.all()) attempt.stop({kind: 'agentStopped'}, false);
  }

  /** Resolves when no attempt is at work and every completion has been taken and released. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private start(attemptId: string, run: Promise<void>): void {
    const done = run
      .catch((error: unknown) =>
        this.services.logger.error('an attempt ended by a fault of this agent', {attemptId, error}),
      )
      .then(() => {
        this.running.delete(done);
        this.forgetEnded(attemptId);
      });
    this.running.add(done);
  }

  private async runNoop({attemptId, fence}: TaskAssign): Promise<void> {
    const {clock, spool, completions, counters} = this.services;
    this.noops.set(attemptId, fence);
    this.busyNoops++;
    const at = clock.wallNow();
    const completion: TaskComplete = {
      attemptId,
      fence,
      report: NOTHING_DONE,
      usage: NO_USAGE,
      startedAt: at,
      endedAt: at,
      activeMs: 0,
    };
    // The answer to the assignment goes first.
    await new Promise(resolve => setImmediate(resolve));
    this.busyNoops--;
    // Not waited for: whoever loses a noop loses nothing.
    void spool.completions.add(completion, false);
    counters.attemptEnded(completion.report, 0, NO_USAGE);
    try {
      await completions.send(completion);
    } catch (error) {
      if (!isCoordinatorError(error, 'closed')) throw error;
    } finally {
      this.noops.delete(attemptId);
      this.remember(attemptId);
    }
  }

  private forgetEnded(attemptId: string): void {
    if (this.live.get(attemptId)?.state.kind !== 'ended') return;
    this.live.delete(attemptId);
    this.remember(attemptId);
  }

  private remember(attemptId: string): void {
    this.remembered.add(attemptId);
    if (this.remembered.size <= this.services.settings.rememberedAttempts) return;
    for (const oldest of this.remembered) {
      this.remembered.delete(oldest);
      break;
    }
  }

  private freeSlot(): number | undefined {
    const taken = new Set<number>();
    for (const attempt of this.live.values()) if (occupiesSlot(attempt.state)) taken.add(attempt.slot);
    if (taken.size + this.busyNoops >= this.slots) return undefined;
    for (let slot = 0; slot < this.slots; slot++) if (!taken.has(slot)) return slot;
    return undefined;
  }
}

export function knownAttempt(attempts: Attempts, attemptId: string): Attempt {
  const attempt = attempts.get(attemptId);
  if (attempt) return attempt;
  throw new ProtocolError('notFound', `this agent does not have attempt ${attemptId}`);
}

function refused(reason: 'draining' | 'noSlot' | 'stopped', message: string): Assigned {
  return {kind: 'refused', reason, message};
}

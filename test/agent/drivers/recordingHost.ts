/** A driver host that keeps everything it is told, and answers requests as a test says. */
import type {
  ApprovalAnswer,
  ApprovalRequest,
  DriverEvent,
  DriverHost,
  DriverTask,
  DriverUsage,
} from '../../../coordinator/agent/driver.ts';
import {NO_USAGE} from '../../../coordinator/agent/driver.ts';
import {Emitter} from '../../../coordinator/runtime/emitter.ts';

export class RecordingHost implements DriverHost {
  readonly events: DriverEvent[] = [];
  readonly usages: DriverUsage[] = [];
  readonly requests: ApprovalRequest[] = [];
  readonly limits: {resetAt?: number | undefined; message: string}[] = [];
  readonly onEvent = new Emitter<DriverEvent>();
  session: string | undefined;

  constructor(
    private readonly answer: (
      request: ApprovalRequest,
      signal?: AbortSignal,
    ) => Promise<ApprovalAnswer> = () => Promise.reject(new Error('nobody answers in this test')),
  ) {}

  get spent(): DriverUsage {
    return this.usages.at(-1) ?? NO_USAGE;
  }

  event(event: DriverEvent): void {
    this.events.push(event);
    this.onEvent.emit(event);
  }

  usage(usage: DriverUsage): void {
    this.usages.push(usage);
  }

  ask(request: ApprovalRequest, signal?: AbortSignal): Promise<ApprovalAnswer> {
    this.requests.push(request);
    return this.answer(request, signal);
  }

  rateLimited(limit: {resetAt?: number | undefined; message: string}): void {
    this.limits.push(limit);
  }

  claudeSession(sessionId: string): void {
    this.session = sessionId;
  }

  /** Events of one kind, in order. */
  of<K extends DriverEvent['kind']>(kind: K): Extract<DriverEvent, {kind: K}>[] {
    return this.events.filter((event): event is Extract<DriverEvent, {kind: K}> => event.kind === kind);
  }

  /** Resolves with the first event, past or future, that fits. */
  when(fits: (event: DriverEvent) => boolean): Promise<DriverEvent> {
    const past = this.events.find(fits);
    if (past) return Promise.resolve(past);
    return new Promise(resolve => {
      const listening = this.onEvent.event(event => {
        if (!fits(event)) return;
        listening.dispose();
        resolve(event);
      });
    });
  }
}

export function taskOf(worktree: string, env: Record<string, string>, work: DriverTask['work']): DriverTask {
  return {attemptId: 'a-1', sessionId: 's-1', taskId: 'task-1', taskKey: 'key-1', worktree, env, work};
}

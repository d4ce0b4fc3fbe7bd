/**
 * Where the processes of an attempt ask for tasks that others do, and for what became of them, at the door of shared memory:
 *
 *     curl -H "Authorization: Bearer $MCPX_MEMORY_TOKEN" "$MCPX_TASKS" -d '{"tasks": [{"run": "make docs"}]}'
 *     curl -H "Authorization: Bearer $MCPX_MEMORY_TOKEN" "$MCPX_TASKS?task=ID&wait=60"
 *
 * A task says what one of a plan file does, without an id. What it may do is decided by the coordinator.
 */
import * as z from 'zod';
import {MAX_DELEGATED, type TaskAssign} from '../../protocol/commands/attempt.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import {TaskId} from '../../protocol/ids.ts';
import {FINAL_TASK_STATES} from '../../protocol/model/task.ts';
import {DelegatedTask, delegatedTask} from '../../protocol/plan/delegatedTask.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import type {AgentLink} from '../link/agentLink.ts';

export type Delegating = Pick<TaskAssign, 'attemptId' | 'fence' | 'task'>;

export interface TaskDeskOptions {
  readonly link: Pick<AgentLink, 'deliver'>;
  readonly clock: Clock;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const Asked = z.strictObject({
  tasks: z.array(DelegatedTask).min(1).max(MAX_DELEGATED),
});

const LOOK_MS = 1000;
const MAX_WAIT_SECONDS = 300;
const MAX_FAULTS = 5;

export class TaskDesk {
  /** By attempt: the number of the next task that it asks for. */
  private readonly next = new Map<string, number>();

  constructor(private readonly options: TaskDeskOptions) {}

  dismiss(attemptId: string): void {
    this.next.delete(attemptId);
  }

  /** Resolves with the ids once the session has the tasks. Errors: `invalidParams`, `forbidden`, `staleFence`. */
  async ask(attempt: Delegating, body: unknown): Promise<Answer> {
    const asked = Asked.safeParse(body);
    if (!asked.success) throw new ProtocolError('invalidParams', z.prettifyError(asked.error));
    const tasks = asked.data.tasks.map(task => delegatedTask(task, attempt.task));
    const {attemptId} = attempt;
    for (let tries = MAX_FAULTS; ; tries--) {
      const first = this.next.get(attemptId) ?? 1;
      try {
        const taskIds = await this.send(attempt, first, tasks);
        this.next.set(attemptId, first + tasks.length);
        return {status: 200, body: {tasks: taskIds}};
      } catch (error) {
        // An earlier attempt asked for other tasks under these numbers.
        const free = isProtocolError(error, 'conflict') ? Taken.safeParse(error.data).data?.next : undefined;
        if (free === undefined || tries === 0) throw error;
        this.next.set(attemptId, free);
      }
    }
  }

  /** 200 once it is at its end, 202 when `waitSeconds` are over before. Errors: `notFound`. */
  async look({attemptId, fence}: Delegating, taskId: string, waitSeconds: number): Promise<Answer> {
    if (!TaskId.safeParse(taskId).success) throw new ProtocolError('notFound', `there is no task ${taskId}`);
    const {link, clock} = this.options;
    const until = clock.now() + Math.min(MAX_WAIT_SECONDS, waitSeconds) * 1000;
    for (;;) {
      const {delegated = []} = await link.deliver(
        'mcpx.coordinate.dependency.resolve',
        {attemptId, fence, delegated: [taskId]},
        {maxFaults: MAX_FAULTS},
      );
      const [found] = delegated;
      if (!found) throw new ProtocolError('notFound', `the attempt has asked for no task ${taskId}`);
      if (FINAL_TASK_STATES.has(found.state)) return {status: 200, body: found};
      if (clock.now() >= until) return {status: 202, body: found};
      await delay(clock, LOOK_MS);
    }
  }

  private async send(
    {attemptId, fence}: Delegating,
    first: number,
    tasks: TaskSpecification[],
  ): Promise<readonly string[]> {
    const split = {kind: 'tasks', first, tasks} as const;
    const params = {attemptId, fence, split};
    return (await this.options.link.deliver('mcpx.distribute.task.split', params, {maxFaults: MAX_FAULTS}))
      .taskIds;
  }
}

const Taken = z.looseObject({next: z.number().int().positive()});

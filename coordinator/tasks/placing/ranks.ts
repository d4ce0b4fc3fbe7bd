/** Keeps the ranks of sessions in step with what is learned: each graph is planned anew as its tasks finish (a rolling HEFT). */
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import {rankTasks} from '../fleet/nodes.ts';
import type {ReadyQueue} from '../queue/readyQueue.ts';
import type {Now} from './placement.ts';
import type {Scheduler} from './scheduler.ts';

/** Ranked anew after this share of the tasks has finished, and no sooner than after so many. */
const SHARE = 32;
const LEAST = 4;

export class Ranks {
  private readonly finishedSince = new WeakMap<SessionNode, number>();

  constructor(
    private readonly scheduler: Pick<Scheduler, 'typicalMs'>,
    private readonly queue: ReadyQueue,
  ) {}

  finished({session}: TaskNode, now: Now): void {
    const finished = (this.finishedSince.get(session) ?? 0) + 1;
    if (finished < Math.max(LEAST, session.counts.total / SHARE)) this.finishedSince.set(session, finished);
    else this.renew(session, now);
  }

  renew(session: SessionNode, now: Now): void {
    this.finishedSince.set(session, 0);
    rankTasks(session, spec => this.scheduler.typicalMs(session.tenant, spec, now));
    for (const task of session.tasks.values()) this.queue.reorder(task);
  }
}

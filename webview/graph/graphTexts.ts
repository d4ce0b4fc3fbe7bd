/** What the graph's page says in words of a session and of its tasks. */
import {attemptThatCounts} from '../../coordinator/client/report/attemptThatCounts.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {dollars, duration} from '../shell/format.ts';
import {plural, t} from '../shell/l10n.ts';
import type {LiveTasks} from './liveTasks.ts';

/** Beside the page's title. */
export function sessionFacts({session}: LiveTasks, plan: Plan | undefined): string {
  if (!session) {
    const tasks = plan?.tasks.length;
    return tasks === undefined ? '' : plural(tasks, '1 task, not started', '{0} tasks, not started');
  }
  const {counts, spentUsd, budgetUsd} = session;
  const cost =
    budgetUsd === undefined ? dollars(spentUsd) : t('{0} of {1}', dollars(spentUsd), dollars(budgetUsd));
  return `${t('{0} of {1} tasks done', counts.succeeded, counts.total)} · ${cost}`;
}

/** The second line of a task's box. */
export function taskDetail(live: LiveTasks, taskId: string, wallNow: number): string {
  const task = live.tasks.get(taskId);
  if (!task) return '';
  if (task.waitingFor && task.state === 'ready') return task.waitingFor.message;
  const latest = attemptThatCounts(task, live.attemptsOf(taskId));
  if (!latest || task.state === 'pending' || task.state === 'ready') return '';
  const took = Math.max(0, (latest.endedAt ?? wallNow) - (latest.startedAt ?? latest.assignedAt));
  const tries = latest.number > 1 ? ` · ${t('attempt {0}', latest.number)}` : '';
  return `${latest.agentId} · ${duration(took)}${tries}`;
}

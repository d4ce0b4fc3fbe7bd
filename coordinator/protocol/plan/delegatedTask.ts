/** What a running attempt may ask others to do: a task of a plan file without an id, completed from the attempt's own task. Pure. */
import type * as z from 'zod';
import {ProtocolError} from '../errors.ts';
import {resolvePlan, type TaskSpecification} from './plan.ts';
import {PlanTask} from './schema.ts';

export const DelegatedTask = PlanTask.omit({id: true, dependsOn: true, split: true});
export type DelegatedTask = z.infer<typeof DelegatedTask>;

/** What it does not say is as in the attempt's own task, where that matters for others. Throws `invalidParams`. */
export function delegatedTask(task: DelegatedTask, own: TaskSpecification): TaskSpecification {
  if ((task.prompt === undefined) === (task.run === undefined))
    throw new ProtocolError('invalidParams', 'a task needs either "prompt" or "run"');
  const [resolved] = resolvePlan({name: own.id, tasks: [{...task, id: 'asked'}]}).tasks;
  if (!resolved) throw new ProtocolError('internal', 'a plan of one task has one task');
  const {work} = resolved;
  const model =
    work.kind === 'prompt' && own.work.kind === 'prompt' ? (work.model ?? own.work.model) : undefined;
  return {
    ...resolved,
    work: work.kind === 'prompt' ? {...work, model: model ?? work.model} : work,
    requires: task.requires === undefined ? own.requires : resolved.requires,
  };
}

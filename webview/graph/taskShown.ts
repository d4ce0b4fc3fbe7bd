/** What the details of a task show, drawn together from the graph and the rows. Pure. */
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {LookName} from '../theme/stateLook.ts';
import {type Graph, type GraphNode, parentOf} from './graphModel.ts';
import type {LiveTasks} from './liveTasks.ts';

export type NamedTask = Pick<GraphNode, 'id' | 'title'>;

export interface TaskShown {
  readonly sessionId: string | undefined;
  readonly node: GraphNode;
  readonly look: LookName;
  readonly task: TaskRecord | undefined;
  readonly attempts: readonly AttemptRecord[];
  readonly approvals: readonly ApprovalRecord[];
  /** By id and title: inputs that are not done. */
  readonly waitsFor: readonly NamedTask[];
  readonly parent: NamedTask | undefined;
  /** Those of which this is the parent. */
  readonly parts: readonly NamedTask[];
  readonly isCritical: boolean;
}

export function taskShown(
  graph: Graph,
  live: LiveTasks,
  index: number,
  {sessionId, isCritical}: Pick<TaskShown, 'sessionId' | 'isCritical'>,
): TaskShown | undefined {
  const node = graph.nodes[index];
  if (!node) return undefined;
  const {id} = node;
  return {
    sessionId,
    node,
    look: live.lookOf(id),
    task: live.tasks.get(id),
    attempts: live.attemptsOf(id),
    approvals: live.approvalsOf(id),
    waitsFor: (graph.inputs[index] ?? []).flatMap(input => {
      const other = graph.nodes[input];
      return other && live.tasks.get(other.id)?.state !== 'succeeded' ? [other] : [];
    }),
    parent: parentOf(graph, index),
    parts: graph.nodes.filter(({parentId}) => parentId === id),
    isCritical,
  };
}

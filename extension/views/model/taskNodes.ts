/** How tasks, attempts and tool calls look in the tree. Pure. */
import {continuedNumber} from '../../../coordinator/client/report/continuedText.ts';
import {explainDecision} from '../../../coordinator/client/report/explainDecision.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../../coordinator/protocol/model/facts.ts';
import {RESULT_TASK_ID, type TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import type {TaskSpecification} from '../../../coordinator/protocol/plan/plan.ts';
import {attemptNodeId, taskNodeId, toolCallNodeId} from './nodeIds.ts';
import {STATE_ICONS, stateLabel} from './sessionNodes.ts';
import type {SharedPaths} from './sharedPaths.ts';
import type {ToolCall} from './toolCalls.ts';
import type {NodeIcon, TreeNode} from './treeModel.ts';
import {cost, dateAndTime, dollars, duration, headline, joined, listed, type Words} from './words.ts';

export interface TaskLook {
  readonly task: TaskRecord;
  /** Undefined until the plan is read. */
  readonly specification: TaskSpecification | undefined;
  /** An attempt of another task has asked for it. */
  readonly isDelegated: boolean;
  /** The tasks that it was divided into, or that its attempts have asked for. */
  readonly parts: readonly TaskRecord[];
  readonly waitsFor: readonly string[];
  readonly latest: AttemptRecord | undefined;
  /** What of it waits for a person. */
  readonly approval: ApprovalRecord | undefined;
  readonly overlaps: readonly SharedPaths[];
}

const WARNING: NodeIcon = {id: 'warning', color: 'list.warningForeground'};
const ASKS: NodeIcon = {id: 'bell-dot', color: 'charts.yellow'};

export function taskNode(look: TaskLook, words: Words): TreeNode {
  const {task, latest} = look;
  return {
    id: taskNodeId(task.sessionId, task.id),
    label: taskLabel(look, words),
    description: joined(
      look.isDelegated ? words.t('delegated') : undefined,
      taskDescription(look, words),
      partsText(look, words),
    ),
    spoken: stateLabel(task.state, words),
    tooltip: taskTooltip(look, words),
    icon: taskIcon(look),
    contextValue: `task.${task.state}`,
    target: {kind: 'task', sessionId: task.sessionId, taskId: task.id},
    expansion: latest || look.parts.length > 0 ? 'collapsed' : 'leaf',
  };
}

function taskLabel({task, specification}: TaskLook, {t}: Words): string {
  const {id, mergeFor, about, origin, parentTaskId} = task;
  if (parentTaskId !== undefined) return specification?.title ?? workText(specification) ?? id;
  if (about)
    return origin === 'undo'
      ? t('undoing of {0}', taskName(about.taskId))
      : t('review of {0}', taskName(about.taskId));
  if (id === RESULT_TASK_ID) return t('merge of the results');
  return mergeFor === undefined ? id : t('merge of the inputs of {0}', taskName(mergeFor));
}

/** What a task without a title does. */
function workText(specification: TaskSpecification | undefined): string | undefined {
  const {work} = specification ?? {};
  if (work?.kind === 'run') return headline(work.command);
  return work?.kind === 'prompt' ? headline(work.prompt) : undefined;
}

function partsText({parts}: TaskLook, {t}: Words): string | undefined {
  if (parts.length === 0) return undefined;
  const done = parts.filter(({state}) => state === 'succeeded').length;
  return t('{0} of {1} parts done', done, parts.length);
}

/** A task as others speak of it. */
function taskName(taskId: string): string {
  return taskId === RESULT_TASK_ID ? 'result' : taskId;
}

function taskDescription(look: TaskLook, words: Words): string | undefined {
  const {task, latest} = look;
  const {t} = words;
  switch (task.state) {
    case 'pending':
      return look.waitsFor.length === 0
        ? t('waits')
        : t('waits for {0}', listed(look.waitsFor.map(taskName), words));
    case 'ready':
      return readyText(task, words);
    case 'failed':
      return joined(t('failed'), task.failure && headline(task.failure.message));
    case 'cancelled':
      return t('cancelled');
    case 'rolledBack':
      return t('rolled back');
    case 'succeeded':
      if (task.cached) return t('cached');
      return joined(latest?.agentId, latest && attemptTime(latest, words), cost(task.usage.costUsd));
    default:
      return joined(
        runningText(look, words),
        latest?.agentId,
        latest && attemptTime(latest, words),
        cost(task.usage.costUsd),
      );
  }
}

function readyText({waitingFor}: TaskRecord, {t}: Words): string {
  switch (waitingFor?.kind) {
    case undefined:
      return t('waits for a free agent');
    case 'agent':
      return t('no agent fits: {0}', headline(waitingFor.message));
    case 'person':
      return t('waits for you: {0}', headline(waitingFor.message));
    case 'backoff':
      return t('waits before its retry: {0}', headline(waitingFor.message));
    case 'budget':
      return t('waits for budget: {0}', headline(waitingFor.message));
    case 'rateLimit':
      return t('waits for a rate limit: {0}', headline(waitingFor.message));
  }
}

function runningText({task, latest, approval, overlaps}: TaskLook, words: Words): string | undefined {
  const {t} = words;
  if (approval)
    return approval.request.kind === 'question' ? t('waits for an answer') : t('waits for permission');
  if (latest?.unreachableSince !== undefined)
    return t('its agent is silent for {0}', duration(words.now() - latest.unreachableSince));
  const [overlap] = overlaps;
  if (overlap) return t('changes {0} as {1} does', listed(overlap.paths, words, 1), taskName(overlap.taskId));
  return task.state === 'running' ? undefined : stateLabel(task.state, words);
}

function attemptTime({startedAt, assignedAt, endedAt}: AttemptRecord, {now}: Words): string {
  return duration((endedAt ?? now()) - (startedAt ?? assignedAt));
}

function taskTooltip(look: TaskLook, words: Words): string[] {
  const {task, specification, latest, waitsFor, overlaps} = look;
  const {t} = words;
  const title = specification?.title;
  return [
    title === undefined ? task.id : `${title} (${task.id})`,
    task.parentTaskId === undefined ? undefined : t('Part of {0}', taskName(task.parentTaskId)),
    stateLabel(task.state, words),
    waitsFor.length > 0 && task.state === 'pending'
      ? t('Waits for: {0}', listed(waitsFor, words, 20))
      : undefined,
    task.waitingFor?.message,
    task.failure?.message,
    ...overlaps.map(({taskId, paths}) =>
      t('{0} changes them too: {1}', taskName(taskId), listed(paths, words, 20)),
    ),
    task.cached && cachedLine(task.cached, words),
    latest && !task.cached ? t('Agent: {0}', latest.agentId) : undefined,
    task.strategy === undefined ? undefined : t('Agents are chosen by {0}', task.strategy),
    task.attempts > 1 ? t('Attempts: {0}', task.attempts) : undefined,
    ...(task.gates ?? []).map(({gate, passed}) =>
      passed ? t('Gate passed: {0}', gate) : t('Gate failed: {0}', gate),
    ),
    task.result?.summary === undefined ? undefined : headline(task.result.summary),
  ].filter(line => line !== undefined && line !== '') as string[];
}

function cachedLine(
  {attemptId, agentId, madeAt, costUsd}: NonNullable<TaskRecord['cached']>,
  words: Words,
): string {
  const {t} = words;
  const line = t(
    'Not done again: the result of {0} on {1}, {2}',
    attemptId,
    agentId,
    dateAndTime(madeAt, words),
  );
  return costUsd > 0 ? `${line} (${dollars(costUsd)})` : line;
}

function taskIcon({task, approval, latest, overlaps}: TaskLook): NodeIcon {
  if (task.state === 'ready' && task.waitingFor) return task.waitingFor.kind === 'person' ? ASKS : WARNING;
  if (task.state !== 'running' && task.state !== 'assigned') return STATE_ICONS[task.state];
  if (approval) return ASKS;
  if (overlaps.length > 0 || latest?.unreachableSince !== undefined) return WARNING;
  return STATE_ICONS[task.state];
}

export interface AttemptLook {
  readonly attempt: AttemptRecord;
  readonly approval: ApprovalRecord | undefined;
  readonly overlaps: readonly SharedPaths[];
}

export function attemptNode({attempt, approval, overlaps}: AttemptLook, words: Words): TreeNode {
  const {t} = words;
  const ended = attempt.state === 'ended';
  const [overlap] = overlaps;
  const status = ended
    ? outcomeText(attempt, words)
    : approval
      ? t('waits for you')
      : attempt.unreachableSince !== undefined
        ? t('agent silent')
        : overlap
          ? t('changes {0} as {1} does', listed(overlap.paths, words, 1), taskName(overlap.taskId))
          : undefined;
  return {
    id: attemptNodeId(attempt.id),
    label: t('Attempt {0}', attempt.number),
    description: joined(
      status,
      attempt.backupOf ? t('backup') : undefined,
      attempt.agentId,
      attemptTime(attempt, words),
      cost(attempt.usage.costUsd),
      continuedFrom(attempt, words),
      attempt.refused > 0 ? t('{0} effects refused', attempt.refused) : undefined,
    ),
    spoken: ended ? attemptEnd(attempt, words) : t('running'),
    tooltip: attemptTooltip(attempt, overlaps, words),
    icon: ended
      ? attemptEndIcon(attempt)
      : approval
        ? ASKS
        : overlap || attempt.unreachableSince !== undefined
          ? WARNING
          : STATE_ICONS[
              attempt.state === 'running'
                ? 'running'
                : attempt.state === 'assigned'
                  ? 'assigned'
                  : 'verifying'
            ],
    contextValue: ended ? 'attempt.ended' : 'attempt.running',
    target: {kind: 'attempt', attemptId: attempt.id},
    expansion: 'collapsed',
  };
}

function continuedFrom({continued}: AttemptRecord, {t}: Words): string | undefined {
  if (!continued) return undefined;
  const {agentId, calls} = continued;
  return t(
    'continued from attempt {0} at tool call {1} on agent {2}',
    continuedNumber(continued),
    calls,
    agentId,
  );
}

function outcomeText({outcome, failure}: AttemptRecord, {t}: Words): string | undefined {
  switch (outcome) {
    case 'failed':
      return joined(t('failed'), failure && headline(failure.message));
    case 'cancelled':
      return t('cancelled');
    case 'lost':
      return t('lost with its agent');
    case 'stale':
      return t('came back too late');
    default:
      return undefined;
  }
}

function attemptEnd(attempt: AttemptRecord, words: Words): string | undefined {
  return attempt.outcome === 'succeeded' ? stateLabel('succeeded', words) : outcomeText(attempt, words);
}

function attemptTooltip(attempt: AttemptRecord, overlaps: readonly SharedPaths[], words: Words): string[] {
  const {t} = words;
  const {usage} = attempt;
  return [
    attempt.id,
    t('Agent: {0}', attempt.agentId),
    ...[continuedFrom(attempt, words)].filter(line => line !== undefined),
    t('Placed: {0}', dateAndTime(attempt.assignedAt, words)),
    attempt.placement &&
      t('Chosen by {0}, score {1}', attempt.placement.strategy, attempt.placement.score.toFixed(2)),
    ...(attempt.placement ? explainDecision(attempt.agentId, attempt.placement).slice(1, 4) : []),
    usage.turns > 0
      ? t('{0} turns, {1} tokens in, {2} out', usage.turns, usage.inputTokens, usage.outputTokens)
      : undefined,
    ...overlaps.map(({taskId, paths}) =>
      t('{0} changes them too: {1}', taskName(taskId), listed(paths, words, 20)),
    ),
    attempt.failure?.message,
  ].filter(line => line !== undefined && line !== '') as string[];
}

function attemptEndIcon({outcome}: AttemptRecord): NodeIcon {
  if (outcome === 'succeeded') return STATE_ICONS.succeeded;
  if (outcome === 'failed') return STATE_ICONS.failed;
  return outcome === 'cancelled' ? STATE_ICONS.cancelled : {id: 'debug-disconnect', color: 'charts.orange'};
}

export function toolCallNode(attemptId: string, call: ToolCall, {t}: Words): TreeNode {
  return {
    id: toolCallNodeId(attemptId, call.id),
    label: call.name,
    description: call.state === 'failed' ? joined(t('failed'), call.summary) : call.summary,
    tooltip: [call.name, call.input, ...(call.result === undefined ? [] : [call.result])],
    icon:
      call.state === 'running'
        ? {id: 'sync', color: 'charts.blue'}
        : call.state === 'failed'
          ? {id: 'error', color: 'testing.iconFailed'}
          : {id: 'tools'},
    expansion: 'leaf',
    click: {name: 'attach', target: {kind: 'attempt', attemptId}},
  };
}

/** Makes what an attempt left in its worktree a commit that others can have: the result of what succeeded, a checkpoint of what failed. */
import {isProtocolError} from '../../protocol/errors.ts';
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import type {CommitBundle} from '../../protocol/model/session.ts';
import {MAX_CACHED_PARENTS} from '../../protocol/model/task.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';
import {describeError} from '../../runtime/errors.ts';
import type {CommitRequest, CommitResult} from '../workspace/commitWork.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {Attempt} from './attempt.ts';
import {failed} from './attemptReport.ts';
import {MAX_HUB_FAULTS} from './prepareAttempt.ts';
import type {RunnerServices} from './runnerServices.ts';
import {isAwayOrFull, type Patience, untilTaken} from './untilTaken.ts';

const AUTHOR = {name: 'MCPX', email: 'mcpx@localhost'};
const SUBJECT_CHARACTERS = 100;

/** The report with its commit, or a failure where the work cannot be one. Throws when the fence has fallen. */
export async function collectResult(
  attempt: Attempt,
  report: AttemptReport,
  workspace: Workspace,
  services: RunnerServices,
): Promise<AttemptReport> {
  if (!workspace.git || report.outcome === 'cancelled') return report;
  // A person who cancels now waits until the result is safe; only a fallen fence makes that pointless.
  const signal = attempt.givenUp;
  signal.throwIfAborted();
  const request = commitRequest(attempt, report, services.clock.wallNow());
  try {
    if (report.outcome === 'failed') {
      await keepForPeople(attempt, await workspace.checkpoint(request, signal), workspace, services);
      return report;
    }
    const result = await workspace.commitResult(request, signal);
    if (result.kind === 'refused') return refusal(result);
    const startedFrom = startOf(attempt);
    const bundle = await untilTaken(
      () => workspace.bundleResult(result.commit, signal, {whole: startedFrom !== undefined}),
      patience(attempt, services),
    );
    if (bundle) await publish(attempt, bundle, services);
    const {commit, tree} = result;
    return {...report, result: {...report.result, commit, tree, startedFrom, bundle}};
  } catch (error) {
    signal.throwIfAborted();
    if (isProtocolError(error, 'staleFence')) throw error;
    const message = `what the attempt changed could not be kept: ${describeError(error)}`;
    if (report.outcome === 'succeeded') return failed('workspace', message);
    attempt.transcript.note('warn', message);
    return report;
  }
}

/** Of what other sessions may take over: its bundle does not tell. */
function startOf({assign: {task, workspace}}: Attempt): string[] | undefined {
  if (!task.cache || workspace.kind === 'none' || workspace.inputs.length > MAX_CACHED_PARENTS)
    return undefined;
  return workspace.inputs.length > 0 ? workspace.inputs.map(({commit}) => commit) : [workspace.base];
}

async function keepForPeople(
  attempt: Attempt,
  result: CommitResult,
  workspace: Workspace,
  services: RunnerServices,
): Promise<void> {
  if (result.kind === 'unchanged') return;
  if (result.kind === 'refused') {
    attempt.transcript.note('warn', `the unfinished work was not kept: ${result.message}`);
    return;
  }
  // The failure is not held up for long by what is only of use to people.
  const bundle = await untilTaken(() => workspace.bundleResult(result.commit, attempt.givenUp), {
    ...patience(attempt, services),
    maxFaults: MAX_HUB_FAULTS,
  });
  if (bundle) await publish(attempt, bundle, services);
}

function patience(attempt: Attempt, {link, logger}: RunnerServices): Patience {
  return {
    link,
    logger,
    attemptId: attempt.id,
    signal: attempt.givenUp,
    passing: isAwayOrFull,
    waiting: error =>
      attempt.transcript.note(
        'warn',
        `the result waits here for the coordinator to take it: ${describeError(error)}`,
      ),
  };
}

/** A fenced ref by which people find the work of any attempt; what counts is the commit that the completion names. */
async function publish(attempt: Attempt, bundle: CommitBundle, {link}: RunnerServices): Promise<void> {
  const {attemptId, fence, taskId, number} = attempt.assign;
  const update = {attemptId, fence, name: `wip/${taskId}.${number}`, commit: bundle.commit, bundle};
  await link.deliver('mcpx.ref.update', update, {signal: attempt.givenUp, maxFaults: MAX_HUB_FAULTS});
}

function refusal({reason, message}: Extract<CommitResult, {kind: 'refused'}>): AttemptReport {
  return failed(reason === 'unresolvedConflict' ? 'conflict' : 'refused', message);
}

function commitRequest({assign}: Attempt, report: AttemptReport, at: number): CommitRequest {
  const {task, taskId, sessionId, attemptId} = assign;
  const summary = report.outcome === 'succeeded' ? report.result.summary : '';
  const subject = `${taskId}: ${task.title ?? (firstLine(summary) || firstLine(workText(task.work)))}`;
  return {
    message: `${subject.slice(0, SUBJECT_CHARACTERS)}\n\n${summary}`,
    trailers: {'MCPX-Session': sessionId, 'MCPX-Task': taskId, 'MCPX-Attempt': attemptId},
    author: AUTHOR,
    at,
  };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}

function workText(work: TaskSpecification['work']): string {
  if (work.kind === 'prompt') return work.prompt;
  return work.kind === 'run' ? work.command : work.kind;
}

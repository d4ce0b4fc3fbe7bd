/** The steps of an attempt's work in their order. What stops it, and how it is reported, is attempt.ts. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {mergeValues} from '../../protocol/plan/mergeValues.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {Checkpointer} from '../checkpoint/checkpointer.ts';
import {keepsConversation} from '../checkpoint/continuation.ts';
import {anewNotice, continuedText, UNFINISHED_WORK_TEXT} from '../checkpoint/continuedText.ts';
import type {ConversationKeeper, Driver, DriverHost, DriverTask} from '../driver.ts';
import type {Workspace} from '../workspace/workspace.ts';
import type {Attempt} from './attempt.ts';
import {failed, reportOf, succeeded} from './attemptReport.ts';
import {collectResult} from './collectResult.ts';
import {divideTask} from './divideTask.ts';
import {withValue} from './handover.ts';
import {PathWatch} from './pathWatch.ts';
import {prepareAttempt, type ReadyAttempt} from './prepareAttempt.ts';
import {promptText, systemPromptAppend} from './promptText.ts';
import type {RunnerServices} from './runnerServices.ts';

const MAX_PATCH_BYTES = 128 * 1024;

/** What the agent reports, stopped or not. Throws when the work was stopped, or by a fault of the agent's own. */
export async function performWork(attempt: Attempt, services: RunnerServices): Promise<AttemptReport> {
  const {signal} = attempt.work;
  const deadline = watchDeadline(attempt, services.clock);
  try {
    const ready = await prepareAttempt(attempt, services);
    if ('outcome' in ready) return attempt.stoppedReport() ?? ready;
    const {recheck} = attempt.assign;
    // What was done before is to be checked again as it is.
    if (recheck) return attempt.stoppedReport() ?? {outcome: 'succeeded', result: recheck.result};
    attempt.activeClock.start();
    signal.throwIfAborted();
    const report =
      (await divideTask(attempt, ready.workspace, services)) ??
      (await withValue(await runDriver(attempt, ready, services), ready.workspace));
    // Saving what was done is not work: no time limit may spoil it.
    deadline.dispose();
    attempt.beginSaving();
    return await collectResult(attempt, attempt.stoppedReport() ?? report, ready.workspace, services);
  } finally {
    deadline.dispose();
  }
}

async function runDriver(
  attempt: Attempt,
  ready: ReadyAttempt,
  services: RunnerServices,
): Promise<AttemptReport> {
  const {work} = attempt.assign.task;
  switch (work.kind) {
    case 'merge':
      return succeeded(
        mergeSummary(attempt),
        work.values &&
          mergeValues(
            work.values,
            ready.inputs.map(({result}) => result),
          ),
      );
    case 'prompt':
      return await runClaude(attempt, ready, services);
    case 'run':
      return await started(
        attempt,
        services.drivers.run,
        {kind: 'run', command: work.command},
        ready,
        services,
      );
    case 'noop':
      return await started(attempt, services.drivers.noop, {kind: 'noop'}, ready, services);
  }
}

async function runClaude(
  attempt: Attempt,
  ready: ReadyAttempt,
  services: RunnerServices,
): Promise<AttemptReport> {
  const {assign} = attempt;
  const {work} = assign.task;
  const driver = services.drivers.prompt;
  if (work.kind !== 'prompt' || !driver)
    return failed('missing', `agent ${services.agentId} has no Claude Code that it could use`);
  const {model, permissions, maxTurns, resultSchema} = work;
  const options = {
    model,
    permissions,
    maxTurns,
    resultSchema,
    budgetUsd: assign.budgetUsd,
    systemPromptAppend: systemPromptAppend(assign, ready.workspace.path),
    mcpServers: await services.mcpServers(assign),
  };
  const patch = work.diff && (await patchOf(work.diff, ready.workspace, attempt.work.signal));
  const fresh = promptText(assign, work.prompt, ready.conflicts, patch);
  const hold = attempt.activeClock.hold();
  const place = await services.startGate.enter(attempt.work.signal).finally(() => hold.dispose());
  const timer = services.clock.schedule(services.settings.claudeStartMs, () => place.dispose());
  try {
    return await converse(attempt, ready, services, fresh, (prompt, keeper) =>
      started(
        attempt,
        driver,
        {kind: 'prompt', prompt, options: {...options, keeper}},
        ready,
        services,
        place,
      ),
    );
  } finally {
    timer.dispose();
    place.dispose();
  }
}

/** Goes on with the conversation that there is; where Claude Code does not take that up, it is told the task anew, on the same files. */
async function converse(
  attempt: Attempt,
  ready: ReadyAttempt,
  services: RunnerServices,
  fresh: string,
  run: (prompt: string, keeper: ConversationKeeper | undefined) => Promise<AttemptReport>,
): Promise<AttemptReport> {
  const {assign} = attempt;
  const {continuation, workspace} = ready;
  if (!keepsConversation(attempt, services)) return run(fresh, undefined);
  if (continuation) {
    const keeper = await Checkpointer.open(attempt, services, workspace, continuation);
    const taken = attempt.claudeTakesUp(continuation.checkpoint.conversation, () =>
      keeper.continues(continuation.from),
    );
    const text = continuedText(assign, continuation, workspace.path);
    const report = await run(text, keeper).finally(() => keeper.stop());
    if (taken() || report.outcome !== 'failed' || attempt.work.signal.aborted) return report;
    attempt.transcript.note(
      'warn',
      anewNotice(continuation.from, `Claude Code did not take it up: ${report.failure.message}`),
    );
  }
  const keeper = await Checkpointer.open(attempt, services, workspace);
  const text = continuation?.checkpoint.work ? `${fresh}\n\n${UNFINISHED_WORK_TEXT}` : fresh;
  return run(text, keeper).finally(() => keeper.stop());
}

/** A patch that is too large for a prompt is left to be read where it is. */
async function patchOf(
  {from, to}: {readonly from: string; readonly to: string},
  workspace: Workspace,
  signal: AbortSignal,
): Promise<string> {
  try {
    return await workspace.patchBetween(from, to, MAX_PATCH_BYTES, signal);
  } catch (error) {
    if (!isCoordinatorError(error, 'limit')) throw error;
    return `too large to be shown here: read it with "git diff ${from} ${to}"`;
  }
}

/** `place` at the start gate is given back once Claude Code says that it runs. */
async function started(
  attempt: Attempt,
  driver: Driver,
  work: DriverTask['work'],
  {workspace, env}: ReadyAttempt,
  services: RunnerServices,
  place?: Disposable,
): Promise<AttemptReport> {
  const {attemptId, sessionId, taskId, taskKey, number} = attempt.assign;
  const paths = new PathWatch(attempt, workspace, services);
  const host: DriverHost = {
    event: event => {
      attempt.transcript.event(event);
      if (event.kind === 'toolResult' || event.kind === 'output') paths.touched();
    },
    usage: usage => attempt.transcript.spends(usage),
    ask: async (request, signal) => {
      // A driver may ask before its start has returned, and so before the attempt counts as running.
      await Promise.resolve();
      return attempt.ask(request, signal);
    },
    rateLimited: limit => attempt.rateLimited(limit),
    claudeSession: id => {
      place?.dispose();
      attempt.claudeSession(id);
    },
  };
  const run = driver.start(
    {
      attemptId,
      sessionId,
      taskId,
      attemptNumber: number,
      taskKey,
      worktree: workspace.path,
      env,
      mask: attempt.mask,
      work,
    },
    host,
  );
  attempt.begin(run);
  try {
    return reportOf(await run.outcome);
  } finally {
    await paths.stop();
  }
}

function mergeSummary({assign: {task, workspace}}: Attempt): string {
  const inputs = workspace.kind === 'git' ? workspace.inputs.map(input => input.taskId) : task.dependsOn;
  return inputs.length === 0 ? 'nothing to merge' : `merged ${inputs.join(', ')}`;
}

/** Wall time may jump: it is read again when the time seems to have come, and once a minute. */
function watchDeadline(attempt: Attempt, clock: Clock): Disposable {
  const {deadline} = attempt.assign.task;
  const over = new AbortController();
  const watch = async (until: number): Promise<void> => {
    for (let left = until - clock.wallNow(); left > 0; left = until - clock.wallNow())
      await delay(clock, Math.min(left, 60_000), over.signal);
    attempt.stop({kind: 'deadline'}, false);
  };
  // Rejects only when it is disposed of.
  if (deadline !== undefined) watch(deadline).catch(() => undefined);
  return {dispose: () => over.abort()};
}

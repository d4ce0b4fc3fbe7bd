/** The steps of an attempt's work in their order. What stops it, and how it is reported, is attempt.ts. */
import type {AttemptReport} from '../../protocol/model/attempt.ts';
import {type Clock, delay} from '../../runtime/clock.ts';
import type {Disposable} from '../../runtime/disposable.ts';
import type {Driver, DriverHost, DriverTask} from '../driver.ts';
import type {Attempt} from './attempt.ts';
import {failed, reportOf, succeeded} from './attemptReport.ts';
import {collectResult} from './collectResult.ts';
import {PathWatch} from './pathWatch.ts';
import {prepareAttempt, type ReadyAttempt} from './prepareAttempt.ts';
import {promptText, systemPromptAppend} from './promptText.ts';
import type {RunnerServices} from './runnerServices.ts';

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
    const report = await runDriver(attempt, ready, services);
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
      return succeeded(mergeSummary(attempt), undefined);
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
    mcpServers: services.mcpServers(assign),
  };
  const prompt = promptText(assign, work.prompt, ready.conflicts);
  const hold = attempt.activeClock.hold();
  const place = await services.startGate.enter(attempt.work.signal).finally(() => hold.dispose());
  const timer = services.clock.schedule(services.settings.claudeStartMs, () => place.dispose());
  try {
    return await started(attempt, driver, {kind: 'prompt', prompt, options}, ready, services, place);
  } finally {
    timer.dispose();
    place.dispose();
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
      attempt.event(event);
      if (event.kind === 'toolResult' || event.kind === 'output') paths.touched();
    },
    usage: usage => attempt.usage(usage),
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

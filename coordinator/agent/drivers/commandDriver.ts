/** Runs a task's shell command in its worktree. What the command changed there is the agent's to collect. */
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {describeError} from '../../runtime/errors.ts';
import type {Driver, DriverHost, DriverOutcome, DriverRun, DriverTask} from '../driver.ts';
import type {Supervisor} from '../supervisor/supervisor.ts';
import {type CommandResult, runAttemptCommand} from './attemptCommand.ts';

export interface CommandDriverOptions {
  readonly supervisor: Supervisor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long a cancelled command may take to end by itself. Default 5000. */
  readonly graceMs?: number | undefined;
}

const SUMMARY_CHARACTERS = 500;
const FAILURE_LINES = 20;
const FAILURE_CHARACTERS = 2000;

export class CommandDriver implements Driver {
  readonly name = 'command';

  constructor(private readonly options: CommandDriverOptions) {}

  start(task: DriverTask, host: DriverHost): DriverRun {
    const abort = new AbortController();
    const no = (): Promise<boolean> => Promise.resolve(false);
    return {
      outcome: this.run(task, host, abort.signal),
      send: () => false,
      interrupt: no,
      setModel: no,
      setPermissionMode: no,
      cancel: () => abort.abort(),
    };
  }

  private async run(task: DriverTask, host: DriverHost, signal: AbortSignal): Promise<DriverOutcome> {
    if (task.work.kind !== 'run') {
      const message = `the command driver was given work of kind ${task.work.kind}`;
      return {kind: 'failed', reason: 'internal', message};
    }
    try {
      const result = await runAttemptCommand({
        ...this.options,
        attemptId: task.attemptId,
        command: task.work.command,
        shell: task.work.shell,
        cwd: task.worktree,
        env: task.env,
        mask: task.mask,
        onOutput: event => host.event(event),
        signal,
      });
      return outcomeOf(result);
    } catch (error) {
      this.options.logger.error('a command could not be run', {attemptId: task.attemptId, error});
      return {kind: 'failed', reason: 'internal', message: describeError(error)};
    }
  }
}

function outcomeOf({exit, cancelled, tail}: CommandResult): DriverOutcome {
  if (cancelled) return {kind: 'cancelled'};
  const lastLines = tail.trim().split('\n').slice(-FAILURE_LINES).join('\n').slice(-FAILURE_CHARACTERS);
  const last = lastLines === '' ? '' : `\n${lastLines}`;
  switch (exit.kind) {
    case 'notStarted':
      return {kind: 'failed', reason: 'internal', message: `could not start: ${exit.error.message}`};
    case 'signalled':
      return {kind: 'failed', reason: 'crashed', message: `ended by ${exit.signal}${last}`};
    case 'exited':
      if (exit.code !== 0) return {kind: 'failed', reason: 'exit', message: `exit code ${exit.code}${last}`};
      return {kind: 'succeeded', summary: lastLines.slice(-SUMMARY_CHARACTERS)};
  }
}

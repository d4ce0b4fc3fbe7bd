/** Runs prompt tasks with Claude Code by way of its Agent SDK. Which executable and login are used is settled by claudeSetup/. */
import {access, constants} from 'node:fs/promises';
import type {Logger} from '../../../observability/logger.ts';
import type {Clock} from '../../../runtime/clock.ts';
import type {Driver, DriverHost, DriverOutcome, DriverRun, DriverTask} from '../../driver.ts';
import type {Supervisor} from '../../supervisor/supervisor.ts';
import {ClaudeAttempt} from './claudeAttempt.ts';
import {type ClaudeSdk, loadClaudeSdk} from './sdk.ts';

export interface ClaudeDriverOptions {
  readonly supervisor: Supervisor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absolute path of the `claude` to run, as `probeClaude` found it. */
  readonly executable: string;
  /** How long a cancelled Claude Code may take to end by itself. Default 5000. */
  readonly graceMs?: number | undefined;
  readonly loadSdk?: (() => Promise<ClaudeSdk | undefined>) | undefined;
}

const DEFAULT_GRACE_MS = 5000;

export class ClaudeDriver implements Driver {
  readonly name = 'claude';

  constructor(private readonly options: ClaudeDriverOptions) {}

  start(task: DriverTask, host: DriverHost): DriverRun {
    const {supervisor, clock, logger, executable} = this.options;
    return new ClaudeAttempt({
      task,
      host,
      supervisor,
      clock,
      logger: logger.with({attemptId: task.attemptId}),
      executable,
      graceMs: this.options.graceMs ?? DEFAULT_GRACE_MS,
      prepare: () => this.prepare(task),
    });
  }

  /** The SDK, or the outcome of an attempt that cannot begin. */
  private async prepare(task: DriverTask): Promise<ClaudeSdk | DriverOutcome> {
    const refusal = bypassRefusal(task);
    if (refusal) return refusal;
    const {executable} = this.options;
    try {
      await access(executable, constants.X_OK);
    } catch {
      return missing(
        `There is no Claude Code at ${executable}. Install it (npm install -g @anthropic-ai/claude-code) or name its path in the agent's settings.`,
      );
    }
    const sdk = await (this.options.loadSdk ?? loadClaudeSdk)();
    return (
      sdk ??
      missing(
        'The package @anthropic-ai/claude-agent-sdk is not installed beside mcpx. Install it there: npm install @anthropic-ai/claude-agent-sdk',
      )
    );
  }
}

function missing(message: string): DriverOutcome {
  return {kind: 'failed', reason: 'missing', message};
}

/** Claude Code would end at once with a message that does not say what to do about it. */
function bypassRefusal(task: DriverTask): DriverOutcome | undefined {
  if (task.work.kind !== 'prompt' || task.work.options.permissions.mode !== 'bypass') return undefined;
  if (process.getuid?.() !== 0 || task.env['IS_SANDBOX'] === '1') return undefined;
  return {
    kind: 'failed',
    reason: 'refused',
    message:
      'Claude Code does not bypass permissions for root. Run the agent as another user, or set IS_SANDBOX=1 in its environment where the machine is a sandbox, or choose another permission mode.',
  };
}

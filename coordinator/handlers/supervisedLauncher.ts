/** Processes of MCP servers under a supervisor, which ends them and whatever they started when the coordinator is gone, however it went. */
import {Supervisor, type SupervisorOptions} from '../agent/supervisor/supervisor.ts';
import type {LaunchRequest, ProcessLauncher, ServerProcess} from '../gateway/serverProcess.ts';
import {CoordinatorError} from '../runtime/errors.ts';

export class SupervisedLauncher implements ProcessLauncher {
  private supervisor: Promise<Supervisor> | undefined;
  private count = 0;
  private stopped = false;

  constructor(private readonly options: SupervisorOptions) {}

  async launch({command, args, cwd, env}: LaunchRequest): Promise<ServerProcess> {
    if (this.stopped) throw new CoordinatorError('closed', 'the coordinator is stopping');
    this.supervisor ??= Supervisor.start(this.options);
    const supervisor = await this.supervisor;
    const id = `server-${++this.count}`;
    const {child, exit} = supervisor.spawn(id, {
      ...{command, args, env},
      cwd: cwd ?? this.options.stateFolder,
      stdin: 'pipe',
    });
    const {stdin, stdout, stderr} = child;
    if (!stdin || !stdout || !stderr)
      throw new CoordinatorError('unavailable', 'the process could not be started');
    const ended = exit.then(how => {
      if (how.kind === 'exited') return `exit code ${how.code}`;
      return how.kind === 'signalled' ? `signal ${how.signal}` : how.error.message;
    });
    return {
      ...{pid: child.pid, stdin, stdout, stderr, ended},
      async end(graceMs) {
        if (graceMs > 0) await supervisor.killTree(id, {signal: 'SIGTERM', to: 'all', graceMs});
        await supervisor.release(id);
      },
    };
  }

  async stop(): Promise<void> {
    this.stopped = true;
    const supervisor = await this.supervisor?.catch(() => undefined);
    await supervisor?.stop();
  }
}

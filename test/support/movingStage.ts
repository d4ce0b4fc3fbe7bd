/** A fleet whose agents die: a project, a scripted model that all agents ask, and a file outside of every worktree in which effects are counted. */
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {
  type RehearsalRequest,
  type RehearsalServer,
  startRehearsalServer,
} from '../../coordinator/agent/rehearsal/rehearsalServer.ts';
import {parseRehearsalScript} from '../../coordinator/agent/rehearsal/script.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {Fleet, type FleetAgent} from './fleet.ts';
import {createProject} from './gitProject.ts';
import {SessionRun} from './sessionRun.ts';
import {found} from './waiting.ts';

const PATIENCE_MS = 120_000;

export class MovingStage {
  private constructor(
    readonly fleet: Fleet,
    readonly server: RehearsalServer,
  ) {}

  /** Commands of the script find the file of effects in `$EFFECTS`. */
  static async open(script: string, files: Readonly<Record<string, string>> = {}): Promise<MovingStage> {
    const server = await startRehearsalServer({
      clock: systemClock,
      logger: silentLogger,
      script: parseRehearsalScript(script, 'moving.rehearsal.yaml'),
      keepBodies: true,
    });
    const settings = {leaseSeconds: 2, lossGraceMs: 500};
    const fleet = await Fleet.start({settings, env: server.env, log: 'debug'});
    createProject(path.join(fleet.folder, 'project'), {
      'a.txt': 'a\n',
      '.gitignore': 'ignored.txt\n',
      ...files,
    });
    return new MovingStage(fleet, server);
  }

  async close(): Promise<void> {
    await this.fleet.close();
    await this.server.stop();
  }

  get project(): string {
    return path.join(this.fleet.folder, 'project');
  }

  /** What the effects outside of the worktrees were, in order. */
  get effects(): string[] {
    const file = this.effectsFile;
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  }

  async agent(id: string, ...args: string[]): Promise<FleetAgent> {
    const agent = await this.fleet.startAgent({id, slots: 1, rehearsal: true, args});
    await this.fleet.whenOnline([id]);
    return agent;
  }

  run(retry = '{max: 0}'): Promise<SessionRun> {
    const plan = `
name: moving
agents: 1
env: {EFFECTS: ${this.effectsFile}}
tasks:
  - {id: t, prompt: Do it., permissions: {allow: [Bash]}, retry: ${retry}}
`;
    return SessionRun.start(this.fleet, {plan, project: this.project, rehearsal: true});
  }

  /** Resolves when the agent has kept a conversation that holds so many tool calls. */
  kept({process, id}: FleetAgent, calls: number): Promise<true> {
    const line = new RegExp(`a conversation is kept.*calls\\W+${calls}\\b`);
    return found(
      () => line.test(process.log()) || undefined,
      PATIENCE_MS,
      () => `a checkpoint of ${id} with ${calls} calls:\n${process.log().slice(-4000)}`,
    );
  }

  whenEffects(...wanted: string[]): Promise<true> {
    return found(
      () => this.effects.join() === wanted.join() || undefined,
      PATIENCE_MS,
      () => `the effects ${wanted}, not ${this.effects}`,
    );
  }

  /** The first request of an attempt to the model. */
  asked(attempt: number): RehearsalRequest {
    const request = this.server.requests.find(
      one => one.attempt === attempt && one.taskId === 't' && !one.isSubagent,
    );
    if (!request) throw new Error(`attempt ${attempt} asked nothing`);
    return request;
  }

  /** Where an agent has the folder of an attempt's work. */
  worktree(agent: FleetAgent, attempt: AttemptRecord): string {
    return path.join(agent.stateFolder, 'workspaces/attempts', attempt.id, 'worktree');
  }

  private get effectsFile(): string {
    return path.join(this.fleet.folder, 'effects');
  }
}

export function attemptsOf(run: SessionRun): AttemptRecord[] {
  return [...run.state.attempts.values()]
    .filter(({taskId}) => taskId === 't')
    .sort((a, b) => a.number - b.number);
}

/** A real team for the suites: a repository in the open folder, a plan rehearsed in the background, and a second client that sees what happens. */
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {promisify} from 'node:util';
import * as vscode from 'vscode';
import * as z from 'zod';
import type {McpxClient} from '../../../coordinator/client/mcpxClient.ts';
import {openClient, snapshotRows} from '../../../coordinator/commands/local/connect.ts';
import {Endpoint} from '../../../coordinator/commands/local/endpoint.ts';
import {silentLogger} from '../../../coordinator/observability/logger.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../../coordinator/protocol/model/facts.ts';
import type {SessionRecord} from '../../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../../coordinator/protocol/model/task.ts';
import type {TranscriptEvent} from '../../../coordinator/protocol/transcript.ts';
import {UserRepository} from '../../integration/userRepository.ts';
import {found} from '../../support/waiting.ts';
import {Messages} from './answers.ts';
import {extension, variable, workspaceFolder} from './surroundings.ts';

const WAIT_MS = 90_000;
const TRANSCRIPT_WINDOW = 1000;

const Started = z.object({session: z.string()});

export class Team {
  private opened: McpxClient | undefined;

  private constructor(readonly repository: UserRepository) {}

  /** The open folder becomes a repository with `files`, and the extension is connected to a coordinator of its own. */
  static async start(files: Readonly<Record<string, string>>): Promise<Team> {
    const repository = UserRepository.create(workspaceFolder(), environment(), files);
    await extension().activate();
    const messages = new Messages(() => undefined);
    try {
      await vscode.commands.executeCommand('mcpx.startCoordinator');
    } finally {
      messages.dispose();
    }
    assert.deepEqual(messages.shown, []);
    return new Team(repository);
  }

  /** Rehearses a plan of the repository in the background; resolves with its session. */
  rehearse(plan: string): Promise<string> {
    return this.run(plan, '--rehearse');
  }

  /** As `rehearse`, for plans without prompts. */
  async run(plan: string, ...flags: string[]): Promise<string> {
    const answer = await this.mcpx('run', plan, ...flags, '--background', '--json');
    return Started.parse(JSON.parse(answer.trim().split('\n').at(-1) ?? '')).session;
  }

  async mcpx(...args: string[]): Promise<string> {
    const program = path.join(variable('MCPX_TEST_ROOT'), 'dist/mcpx.mjs');
    const options = {cwd: workspaceFolder(), env: environment()};
    return (await promisify(execFile)(process.execPath, [program, ...args], options)).stdout;
  }

  async client(): Promise<McpxClient> {
    if (this.opened) return this.opened;
    const file = path.join(variable('MCPX_HOME'), 'coordinator/endpoint.json');
    const {url, token, ca} = await found(
      () => (existsSync(file) ? Endpoint.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined),
      WAIT_MS,
      'the coordinator',
    );
    this.opened = await openClient({url, token, ca}, silentLogger);
    return this.opened;
  }

  /** The first that waits and that fits. */
  async approval(
    fits: (approval: ApprovalRecord) => boolean = () => true,
    what = 'an approval',
  ): Promise<ApprovalRecord> {
    const fitting = (row: Row): ApprovalRecord[] =>
      row.kind === 'approval' && row.approval.state.kind === 'waiting' && fits(row.approval)
        ? [row.approval]
        : [];
    let seen: readonly Row[] = [];
    const look = async (): Promise<ApprovalRecord | undefined> => {
      seen = await snapshotRows(await this.client(), {view: 'approvals'});
      return seen.flatMap(fitting)[0];
    };
    try {
      return await found(look, WAIT_MS, what);
    } catch (cause) {
      throw new Error(`${what} does not wait, but: ${JSON.stringify(seen)}`, {cause});
    }
  }

  async session(sessionId: string): Promise<SessionRecord> {
    const rows = await this.rows(sessionId);
    const session = rows.flatMap(row => (row.kind === 'session' ? [row.session] : []))[0];
    assert.ok(session, `there is no session ${sessionId}`);
    return session;
  }

  async task(sessionId: string, taskId: string): Promise<TaskRecord> {
    const rows = await this.rows(sessionId);
    const task = rows.flatMap(row => (row.kind === 'task' && row.task.id === taskId ? [row.task] : []))[0];
    assert.ok(task, `there is no task ${taskId}`);
    return task;
  }

  /** Resolves with the session once it is in one of the states. */
  sessionIn(sessionId: string, ...states: SessionRecord['state'][]): Promise<SessionRecord> {
    return found(
      async () => {
        const session = await this.session(sessionId);
        return states.includes(session.state) ? session : undefined;
      },
      WAIT_MS,
      `${sessionId} to be ${states.join(' or ')}`,
    );
  }

  /** Resolves once those who worked for the session alone are gone. */
  async withoutAgents(sessionId: string): Promise<void> {
    const look = async (): Promise<true | undefined> => {
      const agents = await snapshotRows(await this.client(), {view: 'agents'});
      const isTheirs = (row: Row): boolean =>
        row.kind === 'agent' &&
        row.agent.instance.status !== 'offline' &&
        row.agent.instance.metadata.reservedFor === sessionId;
      return agents.some(isTheirs) ? undefined : true;
    };
    await found(look, WAIT_MS, `the agents of ${sessionId} to go`);
  }

  attempt(
    sessionId: string,
    taskId: string,
    fits: (attempt: AttemptRecord) => boolean,
    limitMs = WAIT_MS,
  ): Promise<AttemptRecord> {
    const fitting = (row: Row): AttemptRecord[] =>
      row.kind === 'attempt' && row.attempt.taskId === taskId && fits(row.attempt) ? [row.attempt] : [];
    return found(
      async () => (await this.rows(sessionId)).flatMap(fitting)[0],
      limitMs,
      `an attempt of ${taskId}`,
    );
  }

  /** Resolves with the first event of the transcript that fits. */
  event(attemptId: string, fits: (event: TranscriptEvent) => boolean): Promise<TranscriptEvent> {
    return found(
      async () => {
        const client = await this.client();
        const window = {attemptId, fromSeq: 1, limit: TRANSCRIPT_WINDOW};
        return (await client.request('mcpx.transcript.read', window)).events.find(fits);
      },
      WAIT_MS,
      `an event of ${attemptId}`,
    );
  }

  /** Ends what still runs, so that no process stays behind. */
  async leave(): Promise<void> {
    const client = await this.client();
    await client.request('mcpx.fleet.stop', {reason: 'the test is over', graceMs: 100});
    this.opened?.dispose();
    this.opened = undefined;
    await vscode.commands.executeCommand('mcpx.stopCoordinator');
  }

  private async rows(sessionId: string): Promise<readonly Row[]> {
    return snapshotRows(await this.client(), {view: 'session', sessionId});
  }
}

/** Of this person's processes: that of the extension host, without what VS Code adds. */
export function environment(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined && !name.startsWith('VSCODE_') && name !== 'NODE_OPTIONS') env[name] = value;
  return env;
}

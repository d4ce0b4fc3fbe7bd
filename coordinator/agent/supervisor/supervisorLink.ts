/** The pipe to the supervisor process: starts it, starts it again when it dies, and repeats requests it did not answer. */
import {type ChildProcessByStdio, spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import type {Readable, Writable} from 'node:stream';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Deferred, deferred} from '../../runtime/deferred.ts';
import {type Disposable, noDisposable} from '../../runtime/disposable.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {PoliteEnd} from './killTree.ts';
import {encodeLine, FromSupervisor, type ToSupervisor} from './pipeMessages.ts';
import type {ProcessIdentity} from './processTable.ts';

export interface SupervisorLinkOptions {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly agentRun: string;
  readonly agentPid: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly answerTimeoutMs?: number | undefined;
  onMessage(message: FromSupervisor): void;
  /** A supervisor process, the first or a later one, is there and knows nothing yet. */
  onConnect(): void;
}

type SupervisorChild = ChildProcessByStdio<Writable, Readable, null>;

const START_TIMEOUT_MS = 30_000;
/** Beyond the grace. A supervisor that takes longer hangs: it gives up on what it cannot kill much earlier. */
const DEFAULT_ANSWER_TIMEOUT_MS = 30_000;
/** A supervisor that dies at once must not be started in a loop. */
const RESTART_PAUSES_MS = [0, 200, 1000, 5000];
/** A supervisor that never came up is a fault of the installation, which waiting does not mend. */
const MAX_FIRST_FAILURES = 3;

export class SupervisorLink {
  private readonly first = deferred<void>();
  private readonly kills = new Map<
    number,
    {deferred: Deferred<readonly ProcessIdentity[]>; line: ToSupervisor; graceMs: number; timer: Disposable}
  >();
  /** Who waits for a line that no supervisor has taken; the next one is told everything on connecting. */
  private unsent: (() => void)[] = [];
  private everReady = false;
  private child: SupervisorChild | undefined;
  private ready = false;
  private failures = 0;
  private requests = 0;
  private stopping = false;
  private readonly gone = deferred<void>();
  private startTimer: Disposable = noDisposable;

  constructor(private readonly options: SupervisorLinkOptions) {
    this.first.promise.catch(() => undefined);
    this.startTimer = options.clock.schedule(START_TIMEOUT_MS, () =>
      this.giveUp(new CoordinatorError('timeout', 'the supervisor process did not start')),
    );
    this.start();
  }

  /** Settles when the first supervisor answers, or cannot be started. */
  get connected(): Promise<void> {
    return this.first.promise;
  }

  /** `sent` is called once the line is in the pipe, from where the supervisor reads it even if this process dies. */
  send(message: ToSupervisor, sent?: () => void): void {
    const stdin = this.child?.stdin;
    const onWritten = (error?: Error | null): void => {
      if (!sent) return;
      if (error) this.unsent.push(sent);
      else sent();
    };
    if (stdin?.writable) stdin.write(encodeLine(message), onWritten);
    else if (sent) this.unsent.push(sent);
  }

  kill(attemptId: string, polite?: PoliteEnd): Promise<readonly ProcessIdentity[]> {
    const requestId = ++this.requests;
    const line: ToSupervisor = {kind: 'kill', requestId, attemptId, polite};
    const answer = deferred<readonly ProcessIdentity[]>();
    const request = {deferred: answer, line, graceMs: polite?.graceMs ?? 0, timer: noDisposable};
    this.kills.set(requestId, request);
    if (this.ready) this.sendKill(requestId);
    return answer.promise;
  }

  /** Closes the pipe; the supervisor ends whatever is left and goes. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.startTimer.dispose();
    if (!this.child) return;
    this.child.stdin.end();
    await this.gone.promise;
  }

  private start(): void {
    const [command, ...args] = this.options.command;
    // Detached: a signal for the agent's group is not for the supervisor.
    const child = spawn(command, args, {
      env: {...this.options.env},
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.child = child;
    child.stdin.on('error', () => undefined);
    child.once('error', error => this.ended(child, error));
    child.once('exit', (code, signal) =>
      this.ended(child, new CoordinatorError('unavailable', `the supervisor ended with ${signal ?? code}`)),
    );
    createInterface({input: child.stdout}).on('line', line => this.receive(line));
    this.send({kind: 'hello', agentRun: this.options.agentRun, agentPid: this.options.agentPid});
    this.options.onConnect();
  }

  private receive(text: string): void {
    const message = FromSupervisor.parse(JSON.parse(text));
    switch (message.kind) {
      case 'ready':
        this.ready = true;
        this.everReady = true;
        this.failures = 0;
        for (const sent of this.unsent.splice(0)) sent();
        this.startTimer.dispose();
        this.first.resolve();
        for (const requestId of this.kills.keys()) this.sendKill(requestId);
        break;
      case 'killed':
        this.onKilled(message.requestId, message.survivors);
        break;
      case 'members':
        this.options.onMessage(message);
        break;
    }
  }

  private sendKill(requestId: number): void {
    const request = this.kills.get(requestId);
    if (!request) return;
    request.timer.dispose();
    const timeoutMs = this.options.answerTimeoutMs ?? DEFAULT_ANSWER_TIMEOUT_MS;
    request.timer = this.options.clock.schedule(request.graceMs + timeoutMs, () => {
      this.options.logger.error('the supervisor does not answer; replacing it');
      this.child?.kill('SIGKILL');
    });
    this.send(request.line);
  }

  private onKilled(requestId: number, survivors: readonly ProcessIdentity[]): void {
    const request = this.kills.get(requestId);
    if (!request) return;
    request.timer.dispose();
    request.deferred.resolve(survivors);
    this.kills.delete(requestId);
  }

  private ended(child: SupervisorChild, error: Error): void {
    if (this.child !== child) return;
    this.child = undefined;
    this.ready = false;
    if (this.stopping) {
      this.gone.resolve();
      this.rejectKills();
      return;
    }
    this.options.logger.error('the supervisor is gone; starting another', {error});
    const pauseMs = RESTART_PAUSES_MS[Math.min(this.failures, RESTART_PAUSES_MS.length - 1)] ?? 0;
    this.failures++;
    if (!this.everReady && this.failures >= MAX_FIRST_FAILURES) {
      this.giveUp(error);
      return;
    }
    this.options.clock.schedule(pauseMs, () => {
      if (!this.stopping) this.start();
    });
  }

  private giveUp(error: Error): void {
    this.stopping = true;
    this.startTimer.dispose();
    this.child?.stdin.end();
    const hint = `The command line is: ${this.options.command.join(' ')}`;
    this.first.reject(
      new CoordinatorError('unavailable', 'no supervisor could be started', {cause: error, hint}),
    );
  }

  private rejectKills(): void {
    for (const {deferred: answer, timer} of this.kills.values()) {
      timer.dispose();
      answer.reject(new CoordinatorError('closed', 'the supervisor was stopped'));
    }
    this.kills.clear();
  }
}

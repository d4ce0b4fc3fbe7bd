/** One ssh connection that makes a port of the other machine's loopback lead to the coordinator. Opening it again is its keeper's business. */
import type {ChildProcess} from 'node:child_process';
import {createInterface} from 'node:readline';
import {deferred} from '../../runtime/deferred.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import type {Ssh} from './ssh.ts';

/** Said over there once the session is up; it ends when our end of its stdin does, so that no tunnel outlives its keeper. */
const READY = 'mcpx-tunnel-open';
const COMMAND = `echo ${READY}; exec cat > /dev/null`;
const ALLOCATED = /Allocated port (\d+) for remote forward/;
const REFUSED = /remote port forwarding failed/;
const STDERR_KEPT = 4000;

export class Tunnel {
  readonly closed: Promise<void>;
  private readonly opened = deferred<number>();
  private readonly child: ChildProcess;
  private stderr = '';
  private ready = false;

  /** `port` 0 takes a free one. */
  constructor(
    ssh: Ssh,
    private port: number,
    target: {readonly host: string; readonly port: number},
  ) {
    const host = target.host.includes(':') ? `[${target.host}]` : target.host;
    const forward = `127.0.0.1:${port}:${host}:${target.port}`;
    this.child = ssh.spawn(['-o', 'ExitOnForwardFailure=yes', '-R', forward], COMMAND);
    this.child.stdin?.on('error', () => undefined);
    if (this.child.stderr) createInterface({input: this.child.stderr}).on('line', line => this.heard(line));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes(READY)) this.ready = true;
      this.check();
    });
    this.closed = new Promise(resolve => {
      this.child.once('error', cause => {
        this.opened.reject(new CoordinatorError('config', 'ssh cannot be run on this machine', {cause}));
        resolve();
      });
      this.child.once('close', () => {
        this.opened.reject(
          new CoordinatorError('unavailable', `the tunnel did not open: ${this.stderr.trim()}`),
        );
        resolve();
      });
    });
    this.opened.promise.catch(() => undefined);
  }

  /** Resolves with the port; rejects when it closed before it was open. */
  get open(): Promise<number> {
    return this.opened.promise;
  }

  /** The port is taken over there, perhaps still by the connection before. */
  get portRefused(): boolean {
    return REFUSED.test(this.stderr);
  }

  close(): void {
    this.child.kill('SIGTERM');
  }

  private heard(line: string): void {
    this.stderr = `${this.stderr}${line}\n`.slice(-STDERR_KEPT);
    const allocated = ALLOCATED.exec(line)?.[1];
    if (allocated !== undefined) this.port = Number(allocated);
    this.check();
  }

  private check(): void {
    if (this.ready && this.port !== 0) this.opened.resolve(this.port);
  }
}

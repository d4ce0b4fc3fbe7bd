/** The bundled command as the person of the window calls it, beside the window. */
import assert from 'node:assert/strict';
import {type ChildProcess, execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import path from 'node:path';
import {promisify} from 'node:util';
import {found} from '../../support/waiting.ts';
import {variable} from './surroundings.ts';

export class CommandLine {
  private readonly program = path.join(variable('MCPX_TEST_ROOT'), 'dist/mcpx.mjs');
  private readonly started: ChildProcess[] = [];

  /** Runs on until it ends by itself, or this is left. */
  start(args: readonly string[], cwd: string): ChildProcess {
    const child = spawn(process.execPath, [this.program, ...args], {cwd, stdio: 'ignore', env: this.env});
    this.started.push(child);
    return child;
  }

  async call(...args: readonly string[]): Promise<string> {
    const {stdout} = await promisify(execFile)(process.execPath, [this.program, ...args], {env: this.env});
    return stdout;
  }

  /** Answers the one approval that waits. */
  async answer(verb: 'approve' | 'deny' | 'answer', ...values: readonly string[]): Promise<void> {
    const id = await found(
      async () => /^(\S+) {2}\S+\/\S+ {2}/m.exec(await this.call('approvals', 'list'))?.[1],
      30_000,
      'an approval to wait',
    );
    assert.ok(await this.call('approvals', verb, id, ...values));
  }

  async leave(): Promise<void> {
    for (const child of this.started) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
  }

  private get env(): NodeJS.ProcessEnv {
    return {...process.env, ELECTRON_RUN_AS_NODE: '1'};
  }
}

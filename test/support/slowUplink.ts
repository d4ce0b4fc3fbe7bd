/** A host that reaches some addresses by a slow link alone, which another one carries; how slow it is may change. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createInterface, type Interface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import type {HostNetwork} from './hostNetwork.ts';
import type {SlowLinksOptions, Slowness} from './slowLinks.ts';

const PROGRAM = fileURLToPath(new URL('slowLinks.ts', import.meta.url));

export class SlowUplink {
  private constructor(
    private readonly child: ChildProcess,
    private readonly said: Interface,
  ) {}

  /** `uplink` is the host that carries what `host` sends. Resolves when nothing of it goes another way. */
  static async start(
    network: HostNetwork,
    {host, uplink}: {readonly host: string; readonly uplink: string},
    targets: SlowLinksOptions['targets'],
  ): Promise<SlowUplink> {
    const options: SlowLinksOptions = {targets, through: [...network.through(host)]};
    const [program = '', ...args] = [
      ...network.through(uplink),
      process.execPath,
      '--import',
      'tsx',
      PROGRAM,
    ];
    const child = spawn(program, [...args, JSON.stringify(options)], {stdio: ['pipe', 'pipe', 'inherit']});
    child.stdin.on('error', () => undefined);
    const said = createInterface({input: child.stdout});
    const ended = once(child, 'exit').then(() => {
      throw new Error('the slow link ended before it was ready');
    });
    await Promise.race([once(said, 'line'), ended]);
    ended.catch(() => undefined);
    return new SlowUplink(child, said);
  }

  /** Resolves when it is; never, once the link has ended. */
  async be(slowness: Slowness): Promise<void> {
    const changed = once(this.said, 'line');
    this.child.stdin?.write(`${JSON.stringify(slowness)}\n`);
    await changed;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.stdin?.end();
    await exited;
  }
}

/** Nodes of the embedded store, without a coordinator around them, in processes of their own. */
import path from 'node:path';
import {freePorts} from '../../support/freePorts.ts';
import type {BenchProcess} from '../processes.ts';
import type {MemberProcessOptions} from './memberProcess.ts';
import type {Programs} from './programs.ts';

export class Members {
  private constructor(private readonly members: readonly BenchProcess[]) {}

  static async start(programs: Programs, folder: string): Promise<Members> {
    const names = ['a', 'b', 'c'];
    const ports = await freePorts(names.length);
    const peers = Object.fromEntries(names.map((name, at) => [name, `ws://127.0.0.1:${ports[at]}`]));
    return new Members(
      names.map((node, at) => {
        const cluster = {node, port: ports[at] ?? 0, peers};
        const options: MemberProcessOptions = {directory: path.join(folder, node), cluster};
        return programs.start('memberProcess', options);
      }),
    );
  }

  /** The one that leads, once a majority answers. */
  async leader(): Promise<BenchProcess> {
    for (;;) {
      const roles = this.members.map(one => one.ask<{isLeader: boolean}>({ask: 'leader'}));
      const at = (await Promise.all(roles)).findIndex(({isLeader}) => isLeader);
      const leader = this.members[at];
      if (leader) return leader;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map(one => one.stop()));
  }
}

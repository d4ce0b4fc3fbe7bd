/** The pretended models of the agents' hosts: a process on each, that plays the same script. */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import * as z from 'zod';
import type {RehearsalRequest} from '../../../coordinator/agent/rehearsal/rehearsalServer.ts';
import type {HostNetwork} from '../../support/hostNetwork.ts';

const PROGRAM = fileURLToPath(new URL('../../support/rehearsalProcess.ts', import.meta.url));

interface Model {
  readonly child: ChildProcess;
  readonly lines: string[];
}

export class HostModels {
  private readonly models = new Map<string, Model>();
  private requests: Promise<RehearsalRequest[]> | undefined;

  private constructor() {}

  static async start({
    network,
    hosts,
    folder,
    script,
  }: {
    readonly network: HostNetwork;
    readonly hosts: readonly string[];
    readonly folder: string;
    readonly script: string;
  }): Promise<HostModels> {
    const file = path.join(folder, 'whole.rehearsal.json');
    writeFileSync(file, script);
    const models = new HostModels();
    for (const host of hosts) {
      const [program = '', ...args] = [
        ...network.through(host),
        process.execPath,
        '--import',
        'tsx',
        PROGRAM,
        file,
      ];
      const child = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit']});
      child.stdin.on('error', () => undefined);
      const lines: string[] = [];
      const said = createInterface({input: child.stdout}).on('line', line => lines.push(line));
      models.models.set(host, {child, lines});
      await Promise.race([once(said, 'line'), once(said, 'close')]);
    }
    return models;
  }

  /** What leads the agents of the host to their model. */
  envOf(host: string): Record<string, string> {
    const [line = ''] = this.models.get(host)?.lines ?? [];
    return z.record(z.string(), z.string()).parse(JSON.parse(line));
  }

  /** Resolves with what they were asked. */
  stop(): Promise<RehearsalRequest[]> {
    this.requests ??= Promise.all([...this.models.values()].map(ended)).then(all => all.flat());
    return this.requests;
  }
}

async function ended({child, lines}: Model): Promise<RehearsalRequest[]> {
  const closed = child.exitCode === null && child.signalCode === null ? once(child, 'close') : undefined;
  child.stdin?.end();
  await closed;
  return lines[1] === undefined ? [] : JSON.parse(lines[1]);
}

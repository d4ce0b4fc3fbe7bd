/** Agents of another person in another network, joined to a coordinator over TLS as a person joins them: by the command that `mcpx token create` prints. */
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import * as z from 'zod';
import {Person, ROOT, Running} from '../integration/person.ts';
import type {FarNetwork} from './farNetwork.ts';
import {within} from './waiting.ts';

const JOIN = /MCPX_TOKEN=(\S+) mcpx agent --join (\S+) --ca-pin (\S+)/;
const STOP_MS = 40_000;

export interface FarAgentsOptions {
  /** Whoever has the coordinator. */
  readonly host: Person;
  readonly network: FarNetwork;
  readonly ids: readonly string[];
  readonly region: string;
  /** File of the rehearsal's script, played on their side. */
  readonly script: string;
}

/** What a coordinator is started with to be reachable from the namespace. */
export function coordinatorArguments({outside}: FarNetwork): string[] {
  return ['coordinator', '--tls', '--listen', `${outside}:0`, '--public-name', outside];
}

export class FarAgents {
  private constructor(
    readonly person: Person,
    private readonly model: Running,
    readonly agents: readonly Running[],
  ) {}

  /** Resolves when all are registered. */
  static async join({host, network, ids, region, script}: FarAgentsOptions): Promise<FarAgents> {
    const made = await host.expect(0, [
      'token',
      'create',
      '--role',
      'agent',
      '--ttl',
      '1h',
      '--label',
      region,
    ]);
    const [, token = '', url = '', pin = ''] = JOIN.exec(made.stdout) ?? [];
    assert.ok(url.includes(network.outside), `the join command names ${url}`);
    const person = new Person();
    const model = startModel(network, person, script);
    const [line] = await model.saw(/\{.*\}/);
    const env = {...z.record(z.string(), z.string()).parse(JSON.parse(line)), MCPX_TOKEN: token};
    const agents = ids.map(id =>
      person.start(['agent', '--join', url, '--ca-pin', pin, '--id', id, '--region', region, '--rehearsal'], {
        env,
        through: network.through,
      }),
    );
    const joined = new FarAgents(person, model, agents);
    try {
      for (const agent of agents) await agent.saw(/registered with the hub/);
    } catch (error) {
      await joined.leave();
      throw error;
    }
    return joined;
  }

  /** Everything of theirs ends; the namespace stays. */
  async leave(): Promise<void> {
    for (const agent of this.agents) agent.signal('SIGTERM');
    await within(Promise.all(this.agents.map(({ended}) => ended)), STOP_MS, 'the agents to end').catch(() => {
      for (const agent of this.agents) agent.signal('SIGKILL');
    });
    this.model.child.stdin?.end();
    await within(this.model.ended, STOP_MS, 'the scripted model to end');
    await this.person.leave();
  }
}

function startModel({through}: FarNetwork, person: Person, script: string): Running {
  const program = fileURLToPath(new URL('rehearsalProcess.ts', import.meta.url));
  const [command = '', ...args] = [...through, process.execPath, '--import', 'tsx', program, script];
  return new Running(
    spawn(command, args, {cwd: path.join(ROOT), env: person.env, stdio: ['pipe', 'pipe', 'pipe']}),
  );
}

/** How long a cluster takes no writes when its leader is killed, as a client of one that lives on sees it: puts at a steady pace. */
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {EtcdServer} from '../../support/etcdServer.ts';
import {type Row, rowOf} from '../statistics.ts';
import {Cleanup} from './cleanup.ts';
import {Coordinators} from './coordinators.ts';
import type {GapResult} from './gap.ts';
import type {Programs} from './programs.ts';
import type {Surroundings} from './surroundings.ts';

const MEMBERS = 3;
const MAX_ROUNDS = 3;
/** The puts go on for so long; the leader dies after a part of it. */
const PUTS_MS = 4500;
const KILLED_AFTER_MS = 1000;
/** Those of our own defaults. */
const OUR_TIMERS = ['--heartbeat-interval', '100', '--election-timeout', '500'];
/** Of etcd's time. */
const MOST = {equalTimers: 1, defaults: 0.35} as const;

/** A cluster whose leader can be killed and come back. */
interface Cluster {
  leaderAt(): Promise<number>;
  client(at: number): Promise<{ask<T>(question: object): Promise<T>; stop(): Promise<void>}>;
  kill(at: number): Promise<void>;
  run(at: number): void;
}

export async function failoverRows(surroundings: Surroundings): Promise<Row[]> {
  const {program, programs, scratch, rounds} = surroundings;
  const cleanup = new Cleanup();
  try {
    const folder = path.join(scratch, 'failover');
    const coordinators = cleanup.add(await Coordinators.start({program, folder, nodes: MEMBERS}));
    const equal = cleanup.add(await EtcdServer.start({members: MEMBERS, args: OUR_TIMERS}));
    const defaults = cleanup.add(await EtcdServer.start({members: MEMBERS}));
    const subjects = [
      ['MCPX', oursOf(coordinators, programs)],
      ['etcd, our timers', etcdOf(equal, programs)],
      ['etcd, its defaults', etcdOf(defaults, programs)],
    ] as const;
    const gaps = new Map<string, number[]>(subjects.map(([name]) => [name, []]));
    for (let round = 0; round < Math.min(rounds, MAX_ROUNDS); round++)
      for (const [name, cluster] of subjects) {
        const {longestMs} = await loseLeader(cluster);
        console.error(`round ${round + 1}: leader killed, ${name}: ${longestMs.toFixed(0)} ms`);
        gaps.get(name)?.push(longestMs);
      }
    const ours = gaps.get('MCPX') ?? [];
    const row = (name: string, target: {atMost: number}): Row => {
      const title = `unavailable after kill -9 of the leader; peer: ${name}`;
      return rowOf(title, 'ms', ours, gaps.get(name) ?? [], target);
    };
    return [
      row('etcd, our timers', {atMost: MOST.equalTimers}),
      row('etcd, its defaults', {atMost: MOST.defaults}),
    ];
  } finally {
    await cleanup.stop();
  }
}

async function loseLeader(cluster: Cluster): Promise<GapResult> {
  const leader = await cluster.leaderAt();
  const client = await cluster.client((leader + 1) % MEMBERS);
  try {
    // Connected and compiled by the time that counts.
    await client.ask<GapResult>({ask: 'gap', ms: KILLED_AFTER_MS});
    const asked = client.ask<GapResult>({ask: 'gap', ms: PUTS_MS});
    await pause(KILLED_AFTER_MS);
    await cluster.kill(leader);
    return await asked;
  } finally {
    cluster.run(leader);
    await client.stop();
  }
}

function oursOf(coordinators: Coordinators, programs: Programs): Cluster {
  return {
    leaderAt: () => coordinators.leaderAt(),
    client: async at => programs.start('ourClient', await coordinators.clientOptions(at)),
    kill: at => coordinators.kill(at),
    run: at => coordinators.run(at),
  };
}

function etcdOf(etcd: EtcdServer, programs: Programs): Cluster {
  return {
    leaderAt: () => etcd.leader(),
    client: async at => programs.start('etcdClient', {url: `http://${etcd.endpoints[at]}`}),
    kill: at => etcd.kill(at),
    run: at => etcd.run(at),
  };
}

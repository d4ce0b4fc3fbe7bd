/** What a million keys cost: memory for each, and the time until a node that is started again answers a read. One node each. */
import path from 'node:path';
import {setTimeout as pause} from 'node:timers/promises';
import {noop} from 'cockatiel';
import {EtcdServer} from '../../support/etcdServer.ts';
import {residentBytes} from '../processes.ts';
import {type Row, rowOf} from '../statistics.ts';
import {Cleanup} from './cleanup.ts';
import type {Surroundings} from './surroundings.ts';

const KEYS = 1_000_000;
const STARTS = 3;
/** Until what a start leaves behind has been collected, as far as it will be. */
const SETTLE_MS = 3000;
const TRY_MS = 1000;
const LOOK_MS = 20;

interface Cost {
  readonly bytesPerKey: number;
  readonly startMs: number;
}

export async function keyRows(surroundings: Surroundings): Promise<Row[]> {
  const [ours, etcd] = [await ourNode(surroundings), await etcdNode(surroundings)];
  try {
    await ours.fill();
    await etcd.fill();
    const costs: {ours: Cost[]; etcd: Cost[]} = {ours: [], etcd: []};
    for (let start = 0; start < STARTS; start++)
      for (const [name, node] of Object.entries({ours, etcd})) {
        const cost = await node.start();
        console.error(
          `${KEYS} keys, ${name}: start ${cost.startMs.toFixed(0)} ms, ${cost.bytesPerKey.toFixed(0)} bytes a key`,
        );
        costs[name === 'ours' ? 'ours' : 'etcd'].push(cost);
      }
    const row = (name: string, unit: string, value: (cost: Cost) => number, atMost: number): Row =>
      rowOf(`${KEYS} keys: ${name}; peer: etcd`, unit, costs.ours.map(value), costs.etcd.map(value), {
        atMost,
      });
    return [
      row('memory for one', 'bytes', cost => cost.bytesPerKey, 2),
      row('start until it answers', 'ms', cost => cost.startMs, 1),
    ];
  } finally {
    await ours.stop();
    await etcd.stop();
  }
}

interface Node {
  fill(): Promise<void>;
  /** Ends it and starts it again. */
  start(): Promise<Cost>;
  stop(): Promise<void>;
}

async function ourNode({programs, scratch}: Surroundings): Promise<Node> {
  const boot = () => programs.start('memberProcess', {directory: path.join(scratch, 'keys')});
  const answers = (): Promise<unknown> => member.ask({ask: 'leader'});
  let member = boot();
  await answers();
  await pause(SETTLE_MS);
  const empty = await member.residentBytes();
  return {
    fill: async () => {
      await member.ask({ask: 'fill', keys: KEYS});
    },
    start: async () => {
      await member.stop();
      const at = performance.now();
      member = boot();
      await answers();
      const startMs = performance.now() - at;
      await pause(SETTLE_MS);
      return {startMs, bytesPerKey: ((await member.residentBytes()) - empty) / KEYS};
    },
    stop: () => member.stop(),
  };
}

async function etcdNode({programs}: Surroundings): Promise<Node> {
  const etcd = await EtcdServer.start();
  const cleanup = new Cleanup();
  cleanup.add(etcd);
  const client = cleanup.add(programs.start('etcdClient', {url: `http://${etcd.endpoints[0]}`}));
  await pause(SETTLE_MS);
  const empty = await residentBytes(etcd.pid(0));
  return {
    fill: async () => {
      await client.ask({ask: 'fill', keys: KEYS});
    },
    start: async () => {
      await etcd.kill(0);
      const at = performance.now();
      etcd.run(0);
      await answersAgain(etcd);
      const startMs = performance.now() - at;
      await pause(SETTLE_MS);
      return {startMs, bytesPerKey: ((await residentBytes(etcd.pid(0))) - empty) / KEYS};
    },
    stop: () => cleanup.stop(),
  };
}

/** A client that was there before would pause between its tries. */
async function answersAgain(etcd: EtcdServer): Promise<void> {
  for (;;) {
    const client = etcd.client({faultHandling: {host: () => noop, global: noop}});
    try {
      await client.kv.range({key: Buffer.from('is it there')}, {deadline: Date.now() + TRY_MS});
      return;
    } catch {
      await pause(LOOK_MS);
    } finally {
      client.close();
    }
  }
}

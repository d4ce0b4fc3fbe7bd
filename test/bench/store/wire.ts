/** Puts and linearizable reads over the wire, by clients in processes of their own: shared memory of a coordinator, and etcd by two clients. */
import path from 'node:path';
import {EtcdServer} from '../../support/etcdServer.ts';
import type {Row} from '../statistics.ts';
import {Cleanup} from './cleanup.ts';
import {Coordinators} from './coordinators.ts';
import {H2load} from './h2load.ts';
import type {Load} from './load.ts';
import {Members} from './members.ts';
import {NodeClient} from './nodeClient.ts';
import type {LoadSubject} from './subject.ts';
import type {Surroundings} from './surroundings.ts';
import {type Cell, measureCells} from './throughput.ts';

interface Wanted {
  readonly load: Omit<Load, 'ms'>;
  /** Least throughput of ours over that of etcd by its Node client, and by the one in C. */
  readonly node: number;
  readonly c?: number;
  /** Most p99 of ours over etcd's by its Node client. */
  readonly p99?: number;
}

const WIRE: Readonly<Record<1 | 3, readonly Wanted[]>> = {
  3: [
    {load: {operation: 'put', lanes: 1}, node: 1.8, c: 1.2},
    {load: {operation: 'put', lanes: 64}, node: 6, c: 2.5, p99: 1 / 3},
    {load: {operation: 'put', lanes: 256}, node: 8, c: 3},
    {load: {operation: 'get', lanes: 64}, node: 12, c: 4},
  ],
  1: [
    {load: {operation: 'put', lanes: 1}, node: 1.8},
    {load: {operation: 'put', lanes: 64}, node: 6},
  ],
};

const INSIDE: readonly Wanted[] = [
  {load: {operation: 'put', lanes: 64}, node: 10},
  {load: {operation: 'get', lanes: 64}, node: 30},
];

/** Shared memory by a client, and the store of a cluster from inside its leader, against the same etcd in the same rounds. */
export async function wireRows(surroundings: Surroundings): Promise<Row[]> {
  return [...(await rowsOfNodes(3, surroundings)), ...(await rowsOfNodes(1, surroundings))];
}

async function rowsOfNodes(nodes: 1 | 3, surroundings: Surroundings): Promise<Row[]> {
  const {program, programs, scratch, rounds, ms} = surroundings;
  const cleanup = new Cleanup();
  try {
    const folder = path.join(scratch, `wire-${nodes}`);
    const coordinators = cleanup.add(await Coordinators.start({program, folder, nodes}));
    const etcd = cleanup.add(await EtcdServer.start({members: nodes}));
    const endpoint = etcd.endpoints[await etcd.leader()] ?? '';
    const ours = cleanup.add(NodeClient.start(programs, 'ourClient', await coordinators.clientOptions()));
    const byNode = cleanup.add(NodeClient.start(programs, 'etcdClient', {url: `http://${endpoint}`}));
    const peers = [byNode, new H2load(endpoint, scratch)];
    const title = nodes === 1 ? '1 node' : `${nodes} nodes`;
    const cells = WIRE[nodes].map(wanted => cellOf(title, wanted, ours, peers));
    if (nodes > 1) {
      const members = cleanup.add(await Members.start(programs, path.join(scratch, 'inside')));
      const inside = new NodeClient('inside', await members.leader());
      cells.push(...INSIDE.map(wanted => cellOf('inside the coordinator', wanted, inside, peers)));
    }
    return await measureCells(cells, rounds, ms);
  } finally {
    await cleanup.stop();
  }
}

function cellOf(where: string, wanted: Wanted, ours: LoadSubject, peers: readonly LoadSubject[]): Cell {
  const {load, node, c, p99} = wanted;
  const operation = load.operation === 'get' ? 'linearizable get' : 'put';
  const [byNode = ours, byC = ours] = peers;
  return {
    title: `${where}, ${operation} x${load.lanes}`,
    load,
    ours,
    peers,
    bounds: [
      {peer: byNode.name, figure: 'perSecond', target: {atLeast: node}},
      {peer: byC.name, figure: 'perSecond', ...(c !== undefined && {target: {atLeast: c}})},
      {peer: byNode.name, figure: 'p99Ms', ...(p99 !== undefined && {target: {atMost: p99}})},
      {peer: byC.name, figure: 'p99Ms'},
    ],
  };
}

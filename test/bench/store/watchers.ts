/** One put seen by a thousand watchers: of the store from inside its leader, of a session's memory over the wire, and of etcd by its Node client. */
import path from 'node:path';
import {EtcdServer} from '../../support/etcdServer.ts';
import type {BenchProcess} from '../processes.ts';
import {percentile, type Row, rowOf} from '../statistics.ts';
import {Cleanup} from './cleanup.ts';
import {Coordinators} from './coordinators.ts';
import {Members} from './members.ts';
import type {Surroundings} from './surroundings.ts';
import type {WatchResult} from './watching.ts';

const WATCHERS = 1000;
const PUTS_A_ROUND = 10;
/** Of the time of etcd's. */
const MOST = 0.1;

export async function watcherRows({program, programs, scratch, rounds}: Surroundings): Promise<Row[]> {
  const cleanup = new Cleanup();
  try {
    const folder = path.join(scratch, 'watchers');
    const members = cleanup.add(await Members.start(programs, path.join(folder, 'members')));
    const coordinators = cleanup.add(await Coordinators.start({program, folder, nodes: 3}));
    const etcd = cleanup.add(await EtcdServer.start({members: 3}));
    const url = `http://${etcd.endpoints[await etcd.leader()]}`;
    const subjects: readonly (readonly [string, BenchProcess])[] = [
      ['inside the coordinator', await members.leader()],
      ['over the wire', cleanup.add(programs.start('ourClient', await coordinators.clientOptions()))],
      ['etcd by Node', cleanup.add(programs.start('etcdClient', {url}))],
    ];
    const waits = new Map(subjects.map(([name]) => [name, [] as number[]]));
    for (let round = 0; round <= rounds; round++)
      for (const [name, subject] of subjects) {
        // The watches stay open.
        const watchers = round === 0 ? WATCHERS : 0;
        const asked = {ask: 'watch', watchers, puts: PUTS_A_ROUND};
        const {waitsMs} = await subject.ask<WatchResult>(asked);
        const median = percentile(waitsMs, 0.5);
        console.error(`round ${round}: ${WATCHERS} watchers, ${name}: ${median.toFixed(2)} ms`);
        if (round > 0) waits.get(name)?.push(median);
      }
    const peer = waits.get('etcd by Node') ?? [];
    return ['inside the coordinator', 'over the wire'].map(name =>
      rowOf(
        `put seen by ${WATCHERS} watchers, ${name}; peer: etcd by Node`,
        'ms',
        waits.get(name) ?? [],
        peer,
        {
          atMost: MOST,
        },
      ),
    );
  } finally {
    await cleanup.stop();
  }
}

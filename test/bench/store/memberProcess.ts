/** A node of the embedded store in a process of its own, called from inside. Argument: its options, as JSON. */
import {createLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import {answerQuestions} from './clientProcess.ts';
import {fillKeys} from './fill.ts';
import {keyOf, runLoad, VALUE} from './load.ts';
import {Watching} from './watching.ts';

export interface MemberProcessOptions {
  readonly directory: string;
  /** Absent: it is alone. */
  readonly cluster?: {
    readonly node: string;
    readonly port: number;
    readonly peers: Readonly<Record<string, string>>;
  };
}

async function main({directory, cluster}: MemberProcessOptions): Promise<void> {
  const store = await openEmbeddedStore({
    directory,
    clock: systemClock,
    random: systemRandom,
    cluster: cluster && {
      name: 'bench',
      node: cluster.node,
      peers: new Map(Object.entries(cluster.peers)),
      start: 'found',
      listen: {host: '127.0.0.1', port: cluster.port},
      secret: 'a secret of the benchmark',
    },
    logger: createLogger({
      sink: {write: line => void process.stderr.write(`${line}\n`)},
      level: 'warn',
      format: 'text',
      wallNow: systemClock.wallNow,
    }),
  });
  const put = (key: string) => store.txn({then: [{kind: 'put', key, value: VALUE}]});
  const watching = new Watching({
    open: async (_number, onPut) => {
      store.watch('watched', {}, message => {
        if (message.kind === 'events') onPut();
      });
    },
    put: () => put('watched'),
  });
  answerQuestions({
    load: ({load}) =>
      runLoad(load, turn => (load.operation === 'put' ? put(keyOf(turn)) : store.get(keyOf(turn)))),
    watch: question => watching.measure(question),
    fill: async ({keys}) => {
      await fillKeys(keys, async names => {
        await store.txn({then: names.map(key => ({kind: 'put', key, value: VALUE}))});
      });
      return {};
    },
    leader: async () => {
      await store.get('is it there');
      return {isLeader: store.status().isLeader, keys: store.status().keys};
    },
  });
}

await main(JSON.parse(process.argv[2] ?? '{}'));

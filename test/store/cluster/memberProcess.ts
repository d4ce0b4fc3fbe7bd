/** A member of a cluster in a process of its own, told what to do over its standard input, one JSON line each. Argument: the options, as JSON. */
import {createInterface} from 'node:readline';
import {createLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {type Disk, realDisk} from '../../../coordinator/store/embedded/disk.ts';
import {type OpenedStore, openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {MemberCommand, MemberOptions, MemberReply} from './members.ts';

function reply(message: MemberReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** The disk of this machine, until it is told to hang or to be full. */
const faults: {disk: 'none' | 'hang' | 'full'} = {disk: 'none'};
const faultyDisk: Disk = {
  ...realDisk,
  async open(file, options) {
    const handle = await realDisk.open(file, options);
    const before = async (): Promise<void> => {
      if (faults.disk === 'full') throw Object.assign(new Error('no space is left'), {code: 'ENOSPC'});
      if (faults.disk === 'hang') await new Promise<never>(() => undefined);
    };
    return {
      ...handle,
      async write(bytes, position) {
        await before();
        await handle.write(bytes, position);
      },
    };
  },
};

async function carryOut(store: OpenedStore, command: MemberCommand['action']): Promise<unknown> {
  const {cluster} = store;
  if (!cluster) throw new Error('not in a cluster');
  switch (command.do) {
    case 'txn':
      return store.txn(command.txn);
    case 'get':
      return (await store.get(command.key, {consistency: command.local ? 'local' : 'strong'})) ?? null;
    case 'range':
      return store.range(command.prefix);
    case 'status':
      return {...(await cluster.status()), store: store.status()};
    case 'add':
      return cluster.add(command.id, command.address);
    case 'remove':
      return cluster.remove(command.id);
    case 'transfer':
      return cluster.transfer(command.to);
    case 'grantLease':
      return store.grantLease(command.ttlSeconds);
    case 'keepAlive':
      return store.keepAlive(command.lease);
    case 'watch':
      store.watch(command.prefix, {}, message => reply({watch: command.prefix, message}));
      return null;
    case 'disk':
      faults.disk = command.fault;
      return null;
    case 'close':
      await store.close();
      return null;
    default:
      throw new Error('unknown command');
  }
}

async function main(options: MemberOptions): Promise<void> {
  const store = await openEmbeddedStore({
    directory: options.directory,
    disk: faultyDisk,
    clock: systemClock,
    random: systemRandom,
    settings: {...options.settings, segmentBytes: 1024 * 1024, firstSegmentBytes: 256 * 1024},
    cluster: {
      name: options.cluster ?? 'test',
      node: options.node,
      peers: new Map(Object.entries(options.peers)),
      start: options.start ?? 'found',
      listen: {host: '127.0.0.1', port: options.port},
      secret: options.secret ?? 'a secret of the tests',
      settings: options.peerSettings,
    },
    logger: createLogger({
      sink: {write: line => void process.stderr.write(`${options.node} ${line}\n`)},
      level: 'warn',
      format: 'text',
      wallNow: systemClock.wallNow,
    }),
  });
  store.watch('no keys', {}, message => {
    if (message.kind === 'closed') reply({ended: message.error?.message ?? ''});
  });
  reply({opened: options.node});
  for await (const line of createInterface({input: process.stdin})) {
    const command: MemberCommand = JSON.parse(line);
    const {call, action} = command;
    carryOut(store, action).then(
      value => reply({call, value: value ?? null}),
      (error: unknown) =>
        reply({
          call,
          error: {
            code: isCoordinatorError(error) ? error.code : 'internal',
            message: error instanceof Error ? (error.stack ?? error.message) : String(error),
          },
        }),
    );
  }
}

main(JSON.parse(process.argv[2] ?? '{}')).catch((error: unknown) => {
  reply({
    failed: isCoordinatorError(error) ? error.code : 'internal',
    message: error instanceof Error ? error.message : String(error),
  });
  process.exitCode = 1;
});

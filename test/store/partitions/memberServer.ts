/** A coordinator's member of the store's cluster in a process of its own, whose store clients reach over TCP, one JSON line each way. Argument: the options, as JSON. */
import {createServer, type Socket} from 'node:net';
import {createInterface} from 'node:readline';
import {createLogger} from '../../../coordinator/observability/logger.ts';
import {systemClock} from '../../../coordinator/runtime/clock.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import {systemRandom} from '../../../coordinator/runtime/random.ts';
import {type OpenedStore, openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {EmbeddedSettings} from '../../../coordinator/store/embedded/settings.ts';
import type {StoreStatus, WatchMessage} from '../../../coordinator/store/store.ts';
import type {StoreInput} from '../../simulation/checker/storeModel.ts';
import {type LocalState, localState, type Reply, replyOf} from './door.ts';
import {dumpOf, type MemberDump} from './memberDump.ts';

export interface ServerOptions {
  readonly node: string;
  readonly directory: string;
  readonly host: string;
  readonly peerPort: number;
  readonly clientPort: number;
  /** Addresses of all members for each other. */
  readonly peers: Readonly<Record<string, string>>;
  readonly settings: Partial<EmbeddedSettings>;
}

export type ServerRequest =
  | {readonly call: number; readonly ask: StoreInput}
  | {readonly call: number; readonly tell: 'local' | 'status'}
  /** Everything up to this revision. */
  | {readonly call: number; readonly dump: number}
  | {readonly watch: number; readonly prefix: string; readonly from: number}
  | {readonly unwatch: number};

export type ServerMessage =
  | {readonly call: number; readonly value: Reply | LocalState | StoreStatus | MemberDump}
  | {readonly watch: number; readonly message: WatchMessage};

class Session {
  private readonly watches = new Map<number, Disposable>();

  constructor(
    private readonly store: OpenedStore,
    private readonly socket: Socket,
  ) {
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.once('close', () => this.end());
    createInterface({input: socket})
      .on('line', line => this.take(JSON.parse(line)))
      .on('error', () => undefined);
  }

  private take(request: ServerRequest): void {
    if ('watch' in request) {
      const {watch, prefix, from} = request;
      const tell = (message: WatchMessage): void => this.send({watch, message});
      this.watches.set(watch, this.store.watch(prefix, {fromRevision: from}, tell));
    } else if ('unwatch' in request) this.watches.get(request.unwatch)?.dispose();
    else
      this.answer(request).then(
        value => this.send({call: request.call, value}),
        (error: unknown) => {
          process.stderr.write(`${String(error)}\n`);
          this.socket.destroy();
        },
      );
  }

  private async answer(
    request: Exclude<ServerRequest, {watch: number} | {unwatch: number}>,
  ): Promise<Reply | LocalState | StoreStatus | MemberDump> {
    if ('ask' in request) return replyOf(this.store, request.ask);
    if ('dump' in request) return dumpOf(this.store, request.dump);
    return request.tell === 'local' ? localState(this.store) : this.store.status();
  }

  private send(message: ServerMessage): void {
    if (!this.socket.destroyed) this.socket.write(`${JSON.stringify(message)}\n`);
  }

  private end(): void {
    for (const watch of this.watches.values()) watch.dispose();
    this.watches.clear();
  }
}

async function main(options: ServerOptions): Promise<void> {
  const {node, directory, host, peerPort, clientPort, peers, settings} = options;
  const store = await openEmbeddedStore({
    directory,
    clock: systemClock,
    random: systemRandom,
    settings,
    cluster: {
      name: 'partitions',
      node,
      peers: new Map(Object.entries(peers)),
      start: 'found',
      listen: {host, port: peerPort},
      secret: 'a secret of the tests',
    },
    logger: createLogger({
      sink: {write: line => void process.stderr.write(`${line}\n`)},
      level: 'info',
      format: 'text',
      wallNow: systemClock.wallNow,
    }),
  });
  store.watch('', {}, message => {
    // As the coordinator does: whoever started it starts it again.
    if (message.kind === 'closed') process.exit(1);
  });
  createServer(socket => new Session(store, socket)).listen(clientPort, host);
}

await main(JSON.parse(process.argv[2] ?? '{}'));

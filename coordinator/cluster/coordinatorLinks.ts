/** A connection to the door of every other coordinator, kept while that one lives. What is asked over it is its users'; what comes, too. */
import type {CallHandler, Peer} from '../bridge/peer.ts';
import {Connection, type ConnectionSettings} from '../client/connection.ts';
import {nodeSocket} from '../client/nodeSocket.ts';
import type {Logger} from '../observability/logger.ts';
import type {Clock} from '../runtime/clock.ts';
import {type Disposable, DisposableStore} from '../runtime/disposable.ts';
import {Emitter} from '../runtime/emitter.ts';
import type {Random} from '../runtime/random.ts';
import type {CoordinatorDirectory, OtherCoordinator} from './coordinatorDirectory.ts';

export interface CoordinatorLinksOptions {
  readonly directory: Pick<CoordinatorDirectory, 'others' | 'onChanged' | 'credential'>;
  readonly version: string;
  readonly maxFrameBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Serves what the others say without being asked. */
  readonly handler: CallHandler;
}

/** One that is away is gone from the directory before long, so there is no reason to wait for more than a moment. */
const SETTINGS: Partial<ConnectionSettings> = {
  minBackoffMs: 100,
  maxBackoffMs: 2000,
  connectTimeoutMs: 5000,
  silenceMs: 5000,
};

interface Link {
  readonly other: OtherCoordinator;
  readonly connection: Connection;
}

export class CoordinatorLinks implements Disposable {
  private readonly links = new Map<string, Link>();
  private readonly changes = new Emitter<string>();
  private readonly owned = new DisposableStore();

  /** The link to the coordinator of that id came or went. */
  readonly onChanged = this.changes.event;

  constructor(private readonly options: CoordinatorLinksOptions) {
    this.owned.add(this.changes);
    this.owned.add(options.directory.onChanged(() => this.follow()));
    this.follow();
  }

  /** The way to a coordinator, while there is one. */
  peer(coordinator: string): Peer | undefined {
    return this.links.get(coordinator)?.connection.peer;
  }

  dispose(): void {
    this.owned.dispose();
    for (const {connection} of this.links.values()) connection.dispose();
    this.links.clear();
  }

  private follow(): void {
    const others = new Map(this.options.directory.others().map(other => [other.id, other]));
    for (const [id, {other, connection}] of this.links) {
      const now = others.get(id);
      if (now?.url === other.url && now.ca === other.ca) continue;
      this.links.delete(id);
      connection.dispose();
      this.changes.emit(id);
    }
    for (const [id, other] of others) if (!this.links.has(id)) this.links.set(id, this.open(other));
  }

  private open(other: OtherCoordinator): Link {
    const {directory, version, maxFrameBytes, clock, random, logger, handler} = this.options;
    const connection = new Connection({
      urls: [other.url],
      token: () => directory.credential(),
      openSocket: nodeSocket({ca: () => other.ca, maxFrameBytes}),
      settings: SETTINGS,
      ...{clock, random, logger, handler},
      implementation: {name: 'mcpx-coordinator', version},
    });
    let linked = false;
    connection.onState(({kind}) => {
      if ((kind === 'connected') === linked) return;
      linked = kind === 'connected';
      logger.info(linked ? 'linked with a coordinator' : 'lost the link with a coordinator', {id: other.id});
      this.changes.emit(other.id);
    });
    connection.start();
    return {other, connection};
  }
}

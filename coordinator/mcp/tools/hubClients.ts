/** One connection within the coordinator for each principal whose calls are at work, shared by them and let go some time after the last one. */
import {connectClient, type McpxClient} from '../../client/mcpxClient.ts';
import type {Hub} from '../../hub/hub.ts';
import type {Logger} from '../../observability/logger.ts';
import type {Clock} from '../../runtime/clock.ts';
import {type Disposable, noDisposable, toDisposable} from '../../runtime/disposable.ts';
import {newId, type Random} from '../../runtime/random.ts';
import type {Principal} from '../../security/principal.ts';
import {VERSION} from '../../version.ts';
import {inProcessSocket} from './inProcessSocket.ts';

export interface HubClientsOptions {
  readonly hub: Pick<Hub, 'dispatch'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** How long a connection that nobody uses is kept. Default 60 s. */
  readonly idleMs?: number | undefined;
}

interface Shared {
  readonly client: McpxClient;
  users: number;
  idle: Disposable;
}

const IDLE_MS = 60_000;
/** Named for the sake of its kind: the socket leads nowhere else. */
const URL_WITHIN = 'ws://within.invalid';

export class HubClients implements Disposable {
  private readonly shared = new Map<string, Shared>();
  private disposed = false;

  constructor(private readonly options: HubClientsOptions) {}

  /** Connections that are kept at present. */
  get size(): number {
    return this.shared.size;
  }

  /** The principal's connection, kept at least until disposed. */
  hold(principal: Principal): {readonly client: McpxClient} & Disposable {
    const key = [principal.tenant, principal.role, principal.agentId ?? '', principal.id].join('/');
    const known = this.shared.get(key) ?? {client: this.connect(principal), users: 0, idle: noDisposable};
    this.shared.set(key, known);
    known.idle.dispose();
    known.users += 1;
    const release = toDisposable(() => this.release(key, known));
    return {client: known.client, dispose: () => release.dispose()};
  }

  dispose(): void {
    this.disposed = true;
    for (const {client, idle} of this.shared.values()) {
      idle.dispose();
      client.dispose();
    }
    this.shared.clear();
  }

  private release(key: string, shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0 || this.disposed) return;
    const {clock, idleMs = IDLE_MS} = this.options;
    const letGo = (): void => {
      this.shared.delete(key);
      shared.client.dispose();
    };
    shared.idle = clock.schedule(idleMs, letGo, {background: true});
  }

  private connect(principal: Principal): McpxClient {
    const {hub, clock, random, logger} = this.options;
    const implementation = {name: 'mcpx-hub', version: VERSION};
    const connectionId = newId(random, 'mcp');
    return connectClient({
      urls: [URL_WITHIN],
      token: () => undefined,
      openSocket: inProcessSocket({hub, principal, connectionId, implementation, logger}),
      clock,
      random,
      logger,
      implementation,
    });
  }
}

/** What a coordinator is started with, and what it is to whoever started it. */
import type {Settings} from './config.ts';
import type {CoordinatorCluster} from './handlers/openCluster.ts';
import type {MCPXProtocol} from './hub/mcpxProtocol.ts';
import type {SharedMemory} from './memory/sharedMemory.ts';
import type {Logger} from './observability/logger.ts';
import type {Clock} from './runtime/clock.ts';
import type {Random} from './runtime/random.ts';
import type {EtcdTls} from './store/etcd/endpoints.ts';
import type {EtcdAddress} from './store/etcd/etcdAddress.ts';

/** What it starts agents from. */
export interface PoolSurroundings {
  /** Of this very program. */
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface CoordinatorOptions {
  readonly directory: string;
  /** Port 0 takes the one of last time, or a free one that is kept. */
  readonly address: {readonly host: string; readonly port: number};
  readonly tls: boolean;
  readonly publicNames: readonly string[];
  /** Agents that listen, and the token that they want to see. */
  readonly dial?: {
    readonly urls: readonly string[];
    readonly token: string;
    readonly ca?: string | undefined;
  };
  /** Keeps the facts in this etcd instead of in the directory. */
  readonly etcd?: {readonly address: EtcdAddress; readonly tls: EtcdTls} | undefined;
  /** Keeps them together with other coordinators. */
  readonly cluster?: CoordinatorCluster | undefined;
  /** For a pool of processes on this machine. */
  readonly pool?: PoolSurroundings | undefined;
  /** Modules whose strategies plans may name; absolute paths. */
  readonly strategyModules?: readonly string[] | undefined;
  /** Absolute paths of files with MCP servers for behind the hub, followed as they change. */
  readonly serverFiles?: readonly string[] | undefined;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface Coordinator {
  readonly id: string;
  /** `ws(s)://host:port` for clients and agents. */
  readonly url: string;
  /** Full rights for this machine's user. */
  readonly clientToken: string;
  readonly agentToken: string;
  /** PEM, when there is TLS. */
  readonly authority: string | undefined;
  /** Commands to instances, for who embeds a coordinator. */
  readonly protocol: MCPXProtocol;
  /** Shared memory, for who embeds a coordinator: its resolver takes merges of their own. */
  readonly memory: SharedMemory;
  busyness(): {clients: number; unfinishedSessions: number};
  /** The store cannot go on: nothing is acknowledged any more. */
  onFailed(listener: (error: Error) => void): void;
  stop(graceMs: number): Promise<void>;
}

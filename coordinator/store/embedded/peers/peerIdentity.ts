/** Who a node is to its peers, and what it needs to prove it. */
import type {Logger} from '../../../observability/logger.ts';
import type {Clock} from '../../../runtime/clock.ts';
import type {Random} from '../../../runtime/random.ts';
import type {Disk} from '../disk.ts';
import type {PeerSettings} from './peerSettings.ts';

export interface PeerTls {
  /** PEM of this node's own certificate and key. */
  readonly cert: string;
  readonly key: string;
  /** PEM of the cluster's authority, the only one that is trusted. */
  readonly ca: string;
}

export interface PeerIdentity {
  readonly cluster: string;
  readonly node: string;
  /** Known to every member and nobody else. */
  readonly secret: string;
  /** `ws(s)://host:port`, where the others reach this node. */
  readonly address: string;
  readonly tls: PeerTls | undefined;
}

export interface PeerEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly disk: Disk;
  /** Of the data directory: where snapshots arrive. */
  readonly folder: string;
  readonly settings: PeerSettings;
}

/** What a store needs to be a member of a cluster. */
import type {PeerTls} from './peers/peerIdentity.ts';
import type {PeerSettings} from './peers/peerSettings.ts';

/** More votes make a cluster slower and hardly safer. */
export const MAX_VOTERS = 7;

export interface ClusterOptions {
  /** Of the cluster: members of different ones do not talk to each other. */
  readonly name: string;
  /** Of this member: never used again by another one. */
  readonly node: string;
  /** Addresses of the members that are known, this one among them: `ws(s)://host:port`. */
  readonly peers: ReadonlyMap<string, string>;
  /** `found`: the peers are the first voters, each of which is started so. `join`: an existing member lets this one in. */
  readonly start: 'found' | 'join';
  /** Where the others' connections are taken. */
  readonly listen: {readonly host: string; readonly port: number};
  /** Known to every member and nobody else. */
  readonly secret: string;
  readonly tls?: PeerTls | undefined;
  readonly settings?: Partial<PeerSettings> | undefined;
}

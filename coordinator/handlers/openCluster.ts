/** From what a coordinator was told of its cluster to what its store needs: the secret that members share, and a certificate for their door. */
import {createHmac} from 'node:crypto';
import type {Clock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {createServerCertificate} from '../security/certificates.ts';
import type {ClusterAuthority} from '../security/clusterAuthority.ts';
import {checkListenAddress, isLoopback} from '../security/listenPolicy.ts';
import type {ClusterOptions} from '../store/embedded/clusterOptions.ts';

export interface CoordinatorCluster {
  readonly name: string;
  readonly node: string;
  readonly peers: ReadonlyMap<string, string>;
  readonly start: 'found' | 'join';
  readonly listen: {readonly host: string; readonly port: number};
  /** Of MCPX_CLUSTER_TOKEN. */
  readonly token: string | undefined;
}

/**
 * Made anew at each start and kept in memory only, so that there is nothing to renew: it ends no sooner than the authority that the process began
 * with. Certificates are looked at when a connection is opened; one that is open goes on.
 */
const VALID_DAYS = 3650;
const SHORTEST_TOKEN = 16;

/** Throws `config` where members could not prove themselves to each other, or would speak in the clear. */
export async function openCluster(
  cluster: CoordinatorCluster,
  authority: ClusterAuthority | undefined,
  clock: Clock,
): Promise<ClusterOptions> {
  const {token, ...rest} = cluster;
  checkListenAddress(cluster.listen.host, authority !== undefined);
  for (const [id, address] of cluster.peers) {
    const {protocol, hostname} = new URL(address);
    if (protocol !== (authority ? 'wss:' : 'ws:'))
      throw new CoordinatorError('config', `--peers: ${id} is at ${address}, which is ${protocol}//`, {
        hint: authority
          ? 'With --tls members speak wss://.'
          : 'Without --tls members speak ws://, on loopback only.',
      });
    if (!authority && !isLoopback(hostname))
      throw new CoordinatorError('config', `--peers: ${address} is not on this machine and there is no TLS`, {
        hint: 'Turn on --tls, with a copy of the same authority.pem in every data directory.',
      });
  }
  return {
    ...rest,
    secret: secretOf(cluster, authority),
    tls: authority && (await tlsOf(cluster, authority, clock)),
  };
}

function secretOf({token, name}: CoordinatorCluster, authority: ClusterAuthority | undefined): string {
  if (token !== undefined && token.length < SHORTEST_TOKEN)
    throw new CoordinatorError('config', `MCPX_CLUSTER_TOKEN has fewer than ${SHORTEST_TOKEN} characters`);
  if (token !== undefined) return token;
  if (authority) return createHmac('sha256', authority.key).update(`members of ${name}`).digest('hex');
  throw new CoordinatorError('config', 'members need something to know each other by', {
    hint: 'Set MCPX_CLUSTER_TOKEN to the same secret for each of them, or use --tls with copies of one authority.pem.',
  });
}

async function tlsOf(
  {node, peers}: CoordinatorCluster,
  authority: ClusterAuthority,
  clock: Clock,
): Promise<NonNullable<ClusterOptions['tls']>> {
  const own = peers.get(node);
  const name = own === undefined ? 'localhost' : new URL(own).hostname.replace(/^\[|\]$/g, '');
  const names = [...new Set([name, 'localhost', '127.0.0.1', '::1'])];
  const made = await createServerCertificate(authority, names, {
    wallNow: clock.wallNow(),
    validDays: VALID_DAYS,
  });
  return {...made, ca: authority.cert};
}

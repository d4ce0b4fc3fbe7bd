/** The options of `mcpx coordinator` that make it a member of a cluster. */
import type {CoordinatorCluster} from '../../handlers/openCluster.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {parseListenAddress} from './listenAddress.ts';

export interface ClusterFlags {
  readonly cluster?: string;
  readonly node?: string;
  readonly peers?: string;
  readonly join?: boolean;
  readonly peerListen?: string;
}

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Undefined for a coordinator that is alone. Throws `config` naming the flag. */
export function clusterOf(flags: ClusterFlags, token: string | undefined): CoordinatorCluster | undefined {
  const {cluster: name, node, peers: list, join = false, peerListen} = flags;
  if (name === undefined) {
    if (node === undefined && list === undefined && !join && peerListen === undefined) return undefined;
    throw new CoordinatorError(
      'config',
      '--node, --peers, --join and --peer-listen come with --cluster NAME',
    );
  }
  if (!NAME.test(name)) throw new CoordinatorError('config', `--cluster: "${name}" is not a name`);
  const peers = parsePeers(list ?? '');
  if (node === undefined || !peers.has(node))
    throw new CoordinatorError('config', '--node says which of the --peers this coordinator is', {
      hint: 'For example: --cluster fleet --node a --peers a=wss://host1:7700,b=wss://host2:7700,c=wss://host3:7700',
    });
  const listen = peerListen === undefined ? addressOf(peers.get(node) ?? '') : parseListenAddress(peerListen);
  return {name, node, peers, start: join ? 'join' : 'found', listen, token};
}

function parsePeers(list: string): Map<string, string> {
  const peers = new Map<string, string>();
  for (const pair of list.split(',').filter(text => text !== '')) {
    const [, id, url] = /^([A-Za-z0-9._-]{1,64})=(wss?:\/\/[^/]+)\/?$/.exec(pair.trim()) ?? [];
    if (id === undefined || url === undefined || !URL.canParse(url) || new URL(url).port === '')
      throw new CoordinatorError('config', `--peers: "${pair}" is not ID=wss://HOST:PORT`);
    if (peers.has(id)) throw new CoordinatorError('config', `--peers names ${id} twice`);
    peers.set(id, url);
  }
  return peers;
}

function addressOf(url: string): {host: string; port: number} {
  const {hostname, port} = new URL(url);
  return {host: hostname.replace(/^\[|\]$/g, ''), port: Number(port)};
}

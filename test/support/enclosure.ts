/** Whether this machine lets a test have networks and mounts of its own, and how a program is started within them. Root is not needed where user namespaces are allowed. */
import {spawnSync} from 'node:child_process';
import {findOnPath} from '../vscode/standIn/parts.ts';
import {aptInstall} from './aptInstall.ts';

const PROGRAMS = {ip: 'iproute2', unshare: 'util-linux', nsenter: 'util-linux', setpriv: 'util-linux'};
/** What has to work: another network with a bridge and a pair of devices, and a file system in memory. */
const PROBE =
  'ip link add bridge0 type bridge && ip link add port1 type veth peer name port2 && mount -t tmpfs none /dev/shm';

export type Enclosure =
  | {readonly kind: 'possible'; readonly through: readonly string[]}
  | {readonly kind: 'missing'; readonly why: string};

/** With `install` it fetches iproute2 where apt may. `through` is what a command line begins with to have its own network and mounts, which end with its last process. */
export function findEnclosure(install: boolean): Enclosure {
  const missing = (why: string): Enclosure => ({kind: 'missing', why: `networks of their own: ${why}`});
  if (process.platform !== 'linux') return missing(`need Linux, this is ${process.platform}`);
  const lacks = (): [string, string] | undefined =>
    Object.entries(PROGRAMS).find(([program]) => findOnPath(program, process.env) === undefined);
  if (lacks() && install && findOnPath('apt-get', process.env) !== undefined)
    aptInstall([...new Set(Object.values(PROGRAMS))]);
  const lacking = lacks();
  if (lacking) return missing(`need ${lacking[0]}, of the package ${lacking[1]}`);
  const asUser = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  const own = ['unshare', ...asUser, '--net', '--mount'];
  // Whatever it is at: it ends with whoever started it.
  const through = [...own, 'setpriv', '--pdeathsig', 'KILL', '--'];
  const [program = '', ...args] = [...through, 'sh', '-c', PROBE];
  const {status, stderr} = spawnSync(program, args, {encoding: 'utf8'});
  return status === 0 ? {kind: 'possible', through} : missing(stderr.trim());
}

/** Inflicts the faults of a plan on a real cluster, and heals them. */
import {unreachable} from '../../../coordinator/runtime/assert.ts';
import {CLIENTS, type HostNetwork} from '../../support/hostNetwork.ts';
import {type Cluster, NODES} from './cluster.ts';
import type {Fault} from './faultPlan.ts';

export async function inflict(
  faults: readonly Fault[],
  cluster: Cluster,
  network: HostNetwork,
): Promise<void> {
  const leader = (await cluster.leader()) ?? NODES[0];
  const [follower = '', otherFollower = ''] = NODES.filter(node => node !== leader);
  const nodes = {leader, follower, otherFollower};
  for (const {kind, victim} of faults) await inflictOne(kind, nodes[victim], cluster, network);
}

async function inflictOne(
  kind: Fault['kind'],
  victim: string,
  {machines}: Cluster,
  network: HostNetwork,
): Promise<void> {
  const machine = machines.get(victim);
  const others = NODES.filter(node => node !== victim);
  const [one = '', other = ''] = others;
  switch (kind) {
    case 'unplug':
      return network.unplug(victim);
    case 'isolate':
      for (const node of others) network.cutBoth(victim, node);
      return;
    case 'mute':
      for (const node of others) network.cut(victim, node);
      return;
    case 'deafen':
      for (const node of others) network.cut(node, victim);
      return;
    case 'bridge':
      return network.cutBoth(one, other);
    case 'shatter':
      network.cutBoth(one, other);
      for (const node of others) network.cutBoth(victim, node);
      return;
    case 'hide':
      return network.cutBoth(victim, CLIENTS);
    case 'kill':
      return machine?.kill();
    case 'killAll':
      await Promise.all([...machines.values()].map(each => each.kill()));
      for (const each of machines.values()) each.start();
      return;
    case 'freeze':
      return machine?.signal('SIGSTOP');
    case 'fillDisk':
      return machine?.disk.fill();
    default:
      return unreachable(kind);
  }
}

/** What was killed, or died of its fault, starts again on what its disk kept. */
export function heal({machines}: Cluster, network: HostNetwork): void {
  network.mend();
  for (const machine of machines.values()) {
    machine.disk.free();
    machine.signal('SIGCONT');
    machine.start();
  }
}

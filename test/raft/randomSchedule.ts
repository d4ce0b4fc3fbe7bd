/** One random schedule in which members come and go, leaders hand over, snapshots go out and reads are asked, with crashes and partitions. */
import {membersOf} from '../../coordinator/raft/configuration.ts';
import type {MembershipChange} from '../../coordinator/raft/types.ts';
import {seededRandom} from '../../coordinator/runtime/random.ts';
import {Cluster} from './cluster.ts';

const ACTIONS: readonly MembershipChange['action'][] = ['addVoter', 'addLearner', 'remove'];

function randomChanges(cluster: Cluster): MembershipChange[] {
  const count = 1 + Math.floor(cluster.random.next() * 3);
  const nodes = new Set(Array.from({length: count}, () => cluster.pick(cluster.ids)));
  return [...nodes].map(node => ({action: cluster.pick(ACTIONS), node}));
}

function disturb(cluster: Cluster): void {
  const {random} = cluster;
  const host = cluster.pick(cluster.hosts);
  const chance = random.next();
  if (chance < 0.04) cluster.propose(host);
  else if (chance < 0.06) cluster.read(host);
  else if (chance < 0.0607 && host.node) cluster.crash(host);
  else if (chance < 0.08 && !host.node) host.start();
  else if (chance < 0.0804) cluster.isolate(host.id);
  else if (chance < 0.081) cluster.cut.add(`${host.id}>${cluster.pick(cluster.ids)}`);
  else if (chance < 0.085) cluster.cut.clear();
  else if (chance < 0.09) cluster.change(randomChanges(cluster));
  else if (chance < 0.0905) host.node?.transfer(cluster.pick(cluster.ids));
  else if (chance < 0.091 && host.write && !host.write.snapshot) host.failWrite();
  else if (chance < 0.0915) host.node?.campaign();
  else if (chance < 0.093) host.node?.reportUnreachable(cluster.pick(cluster.ids));
  else if (chance < 0.094) host.node?.reportGone(cluster.pick(cluster.ids));
}

/** Everyone who belongs to the cluster has applied everything. */
function allCaughtUp(cluster: Cluster): boolean {
  const leader = cluster.leader();
  if (!leader?.node || leader.node.applied < cluster.history.length) return false;
  const members = membersOf(leader.node.configuration);
  return cluster.hosts
    .filter(host => members.includes(host.id))
    .every(host => host.state.index === cluster.history.length);
}

/** Throws what went wrong; returns the cluster as it is in the end. */
export function runSchedule(seed: number, voters: number): Cluster {
  const random = seededRandom(seed * 10 + voters);
  const cluster = new Cluster(
    {
      voters,
      spares: 3,
      maxReadyBytes: seed % 2 === 0 ? 300 : 5000,
      maxMessageBytes: seed % 3 === 0 ? 300 : 2000,
      maxInFlightBytes: 2000,
    },
    random,
  );
  cluster.fixed = false;
  cluster.loss = seed % 3 === 0 ? 0.1 : 0;
  cluster.repeat = seed % 4 === 0 ? 0.2 : 0.02;
  for (let n = 0; n < 15_000; n++) {
    disturb(cluster);
    cluster.step();
  }
  cluster.checkLogs();
  cluster.heal();
  cluster.settle(() => cluster.leader() !== undefined && allCaughtUp(cluster));
  const isLast = ({text}: {readonly text: string}): boolean => text.endsWith('/last');
  cluster.settle(() => {
    if (cluster.random.next() < 0.1) cluster.leader()?.node?.propose(Buffer.from('last'));
    return allCaughtUp(cluster) && cluster.history.some(isLast);
  });
  cluster.checkLogs();
  return cluster;
}

/** Leases, with clocks that go at one rate: leaders are cut off, crash and hand over while everyone reads. */
export function runLeaseSchedule(seed: number, voters: number): Cluster {
  const random = seededRandom(seed * 10 + voters);
  const cluster = new Cluster({voters, spares: 1, leaseReads: true}, random);
  for (let period = 0; period < 400; period++) {
    cluster.tickAll();
    const steps = Math.floor(random.next() * 60);
    for (let n = 0; n < steps; n++) {
      disturb(cluster);
      cluster.step(false);
    }
  }
  cluster.heal();
  cluster.settle(() => cluster.leader() !== undefined && allCaughtUp(cluster));
  return cluster;
}

/** Whether a data directory and the cluster that it is to be started in belong together, before anything in it is touched. */
import {CoordinatorError} from '../../runtime/errors.ts';
import {newId, type Random} from '../../runtime/random.ts';
import {type ClusterOptions, MAX_VOTERS} from './clusterOptions.ts';
import {aloneAs, type Founding, openVersion, type Version, writeVersion} from './dataDirectory.ts';
import type {Disk} from './disk.ts';

/** Throws `config` or `conflict` with what to do. A directory of a node that was alone takes the cluster's name. */
export async function openMembership(
  disk: Disk,
  directory: string,
  cluster: ClusterOptions | undefined,
  nodeId: string | undefined,
  random: Random,
): Promise<Version> {
  const founding = cluster ? foundingOf(cluster) : aloneAs(nodeId ?? newId(random, 'n'));
  const version = await openVersion(disk, directory, founding);
  if (version.removed)
    throw new CoordinatorError(
      'conflict',
      `${version.node} was removed from the cluster ${version.cluster}`,
      {
        hint: 'Nothing acknowledged is lost: the others have it. To come back, start with an empty data directory and a new name.',
      },
    );
  if (!cluster) {
    if (version.cluster === '') return version;
    throw new CoordinatorError(
      'config',
      `${directory} is a member's of the cluster ${version.cluster}: alone it could lose what the others have`,
      {hint: `Start it with --cluster ${version.cluster} and --peers.`},
    );
  }
  if (version.node !== cluster.node)
    throw new CoordinatorError('config', `${directory} belongs to ${version.node}, not to ${cluster.node}`, {
      hint: `Start it with --node ${version.node}, or name another data directory.`,
    });
  if (version.cluster === cluster.name) return version;
  if (version.cluster !== '')
    throw new CoordinatorError(
      'config',
      `${directory} is a member's of the cluster ${version.cluster}, not of ${cluster.name}`,
      {hint: 'Name another data directory.'},
    );
  if (cluster.start === 'join' || cluster.peers.size > 1)
    throw new CoordinatorError('config', `${directory} holds facts of its own and cannot start with others`, {
      hint: `Start it alone in the cluster (--peers ${cluster.node}=URL), then let the others join: mcpx cluster add.`,
    });
  const named = {...version, cluster: cluster.name};
  await writeVersion(disk, directory, named);
  return named;
}

function foundingOf({name, node, peers, start}: ClusterOptions): Founding {
  if (peers.size > MAX_VOTERS && start === 'found')
    throw new CoordinatorError('config', `a cluster has at most ${MAX_VOTERS} voters, not ${peers.size}`);
  if (!peers.has(node))
    throw new CoordinatorError('config', `--peers names no address of ${node}, which is this node`);
  return {node, cluster: name, voters: start === 'join' ? [] : [...peers.keys()].sort()};
}

/**
 * Whose disks count for artifacts. In a cluster of its own store these are the voters, as for the facts that name the artifacts: a majority of the
 * one is a majority of the other, and who is away counts. Beside an etcd, which has its own members, they are the coordinators that live.
 */
import type {Holder, Holders} from '../artifacts/replication/holders.ts';
import type {CoordinatorDirectory} from '../cluster/coordinatorDirectory.ts';
import type {Store} from '../store/store.ts';

export function artifactHolders(
  store: Pick<Store, 'status'>,
  coordinators: Pick<CoordinatorDirectory, 'others' | 'credential' | 'onChanged'>,
  /** Our name as a member of the store's cluster, where we are one. */
  node: string | undefined,
): Holders {
  /** Undefined beside an etcd. */
  const voters = (): ReadonlySet<string> | undefined => {
    const {driver, members} = store.status();
    if (driver === 'etcd') return undefined;
    return new Set(members.filter(({role}) => role === 'voter').map(({id}) => id));
  };
  return {
    counted() {
      const counting = voters();
      // A coordinator that is alone has a name of its store's choice.
      if (!counting || node === undefined) return {total: coordinators.others().length + 1, own: true};
      return {total: Math.max(1, counting.size), own: counting.has(node)};
    },
    others() {
      const others = coordinators.others();
      if (others.length === 0) return [];
      const counting = voters();
      return others.map(
        ({id, url, ca, node: name}): Holder => ({
          id,
          baseUrl: url.replace(/^ws/, 'http'),
          ca,
          counts: counting === undefined || (name !== undefined && counting.has(name)),
        }),
      );
    },
    credential: () => coordinators.credential(),
    onChanged: listener => coordinators.onChanged(listener),
  };
}

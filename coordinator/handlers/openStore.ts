/** The store that a coordinator keeps its facts in: embedded, alone or with other coordinators, or an etcd. */
import {mkdir} from 'node:fs/promises';
import type {CoordinatorOptions} from '../coordinatorOptions.ts';
import type {DataDirectory} from '../dataDirectory.ts';
import {lockDirectory} from '../runtime/directoryLock.ts';
import type {ClusterAuthority} from '../security/clusterAuthority.ts';
import {openEmbeddedStore} from '../store/embedded/embeddedStore.ts';
import type {ClusterControl} from '../store/embedded/membership.ts';
import type {Store} from '../store/store.ts';
import {openCluster} from './openCluster.ts';

/** What must be undone when it fails is added to `started`. */
export async function openStore(
  {etcd, cluster, clock, random, logger: all, settings}: CoordinatorOptions,
  data: DataDirectory,
  authority: ClusterAuthority | undefined,
  started: (() => Promise<void> | void)[],
): Promise<{readonly store: Store; readonly control?: ClusterControl | undefined}> {
  const logger = all.with({part: 'store'});
  if (etcd) {
    await mkdir(data.storeFolder, {recursive: true});
    const hint = 'Stop the coordinator that uses it, or name another directory with --data.';
    const lock = await lockDirectory(data.storeFolder, random.hex(6), hint);
    started.push(() => lock.release());
    // Its client takes a moment to load, which only its users should wait for.
    const {openEtcdStore} = await import('../store/etcd/etcdStore.ts');
    const store = await openEtcdStore({
      ...etcd,
      clock,
      random,
      logger,
      settings: {requestTimeoutMs: settings.etcdTimeoutMs, heartbeatMs: settings.etcdHeartbeatMs},
      closed: () => lock.release(),
    });
    return {store};
  }
  const store = await openEmbeddedStore({
    directory: data.storeFolder,
    clock,
    random,
    logger,
    settings: {
      segmentBytes: settings.segmentBytes,
      snapshotEntries: settings.snapshotEntries,
      snapshotLogBytes: settings.snapshotBytes,
      historyRevisions: settings.historyRevisions,
    },
    cluster: cluster && (await openCluster(cluster, authority, clock)),
  });
  return {store, control: store.cluster};
}

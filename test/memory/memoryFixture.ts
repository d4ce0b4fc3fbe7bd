/** A tenant's shared memory on a real store, with what its tests share. */
import {Fences} from '../../coordinator/effects/fences.ts';
import {LiveAttempts} from '../../coordinator/effects/liveAttempts.ts';
import type {ReadPast} from '../../coordinator/memory/memoryReads.ts';
import {SharedMemory} from '../../coordinator/memory/sharedMemory.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {OfflineWrite} from '../../coordinator/protocol/commands/memory.ts';
import type {VectorClock} from '../../coordinator/protocol/vectorClock.ts';
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {AuditLog} from '../../coordinator/security/audit.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {type PlacedAttempt, TENANT} from '../fixtures/attempts.ts';

export interface MemoryFixture {
  readonly memory: SharedMemory;
  dispose(): void;
}

export async function sharedMemory(
  store: Store,
  options: {clock?: Clock; readPast?: ReadPast; writerId?: string} = {},
): Promise<MemoryFixture> {
  const {clock = systemClock, readPast, writerId = 'c-1'} = options;
  const owned = new DisposableStore();
  const common = {store, tenant: TENANT, clock, logger: silentLogger};
  const fences = owned.add(new Fences(common));
  const attempts = owned.add(new LiveAttempts(common));
  const audit = new AuditLog({...common, writerId});
  const memory = owned.add(
    new SharedMemory({...common, fences, attempts, audit, instanceId: writerId, readPast}),
  );
  await attempts.start();
  await memory.start();
  return {memory, dispose: () => owned.dispose()};
}

/** As a replica makes it: `base` is the revision and the value that the agent had seen. */
export function offlineWrite(
  {fence}: Pick<PlacedAttempt, 'fence'>,
  write: Pick<OfflineWrite, 'sequence' | 'key'> & Partial<OfflineWrite>,
): OfflineWrite {
  const {incarnation = 'run-1', base = {revision: 0}, sequence} = write;
  const hub: VectorClock = base.revision > 0 ? {hub: base.revision} : {};
  return {incarnation, fence, timestamp: 5, base, clock: {...hub, [incarnation]: sequence}, ...write};
}

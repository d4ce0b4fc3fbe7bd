/** Runs of the embedded store on a simulated disk: what the tests of crashes and faults share. */
import assert from 'node:assert/strict';
import {createLogger, type Logger} from '../../../coordinator/observability/logger.ts';
import {ManualClock} from '../../../coordinator/runtime/clock.ts';
import {seededRandom} from '../../../coordinator/runtime/random.ts';
import {openEmbeddedStore} from '../../../coordinator/store/embedded/embeddedStore.ts';
import type {EmbeddedSettings} from '../../../coordinator/store/embedded/settings.ts';
import {SimulatedDisk, type SimulatedDiskOptions} from '../../../coordinator/store/embedded/simulatedDisk.ts';
import type {Store} from '../../../coordinator/store/store.ts';

export const FOLDER = '/data';

/** Segments of a few frames and a snapshot every few entries, so that short runs pass through everything. */
export const SMALL: Partial<EmbeddedSettings> = {
  nodeId: 'n1',
  segmentBytes: 6144,
  firstSegmentBytes: 6144,
  snapshotEntries: 6,
  snapshotLogBytes: 100,
  historyRevisions: 5,
};

/** Only the log: no snapshot, one segment. */
export const LOG_ONLY: Partial<EmbeddedSettings> = {
  nodeId: 'n1',
  segmentBytes: 64 * 1024,
  firstSegmentBytes: 64 * 1024,
};

export function newDisk(options: Partial<SimulatedDiskOptions> = {}, seed = 1): SimulatedDisk {
  return new SimulatedDisk({random: seededRandom(seed), durableWrites: true, ...options});
}

export function openOn(
  disk: SimulatedDisk,
  settings: Partial<EmbeddedSettings> = SMALL,
  extra: {clock?: ManualClock; logger?: Logger} = {},
): Promise<Store> {
  return openEmbeddedStore({
    directory: FOLDER,
    disk,
    clock: extra.clock ?? new ManualClock(),
    random: seededRandom(7),
    settings,
    ...(extra.logger ? {logger: extra.logger} : {}),
  });
}

/** A logger that keeps its lines. */
export function recordingLogger(): {logger: Logger; lines: string[]} {
  const lines: string[] = [];
  const sink = {write: (line: string) => void lines.push(line)};
  return {lines, logger: createLogger({sink, level: 'info', format: 'text', wallNow: () => 0})};
}

/** Of several lengths, so that frames take from one sector to several. */
function textOf(n: number): string {
  return `${n}:`.padEnd([40, 1500, 40, 700][n % 4] ?? 0, 'v');
}

/** Write number `n` of a run: after it the store holds exactly what `assertState` says. */
export async function writeNumber(store: Store, n: number): Promise<void> {
  await store.txn({
    then: [
      {kind: 'put', key: `k/${n % 7}`, value: textOf(n)},
      {kind: 'put', key: 'last', value: String(n)},
    ],
  });
}

/** Asserts that the store holds the first m writes and nothing else, and returns m. */
export async function countWrites(store: Store): Promise<number> {
  const {kvs, revision} = await store.range('');
  const last = Number(kvs.find(kv => kv.key === 'last')?.value ?? 0);
  assert.equal(revision, last, 'one revision for each write');
  const expected = new Map<string, string>();
  for (let n = 1; n <= last; n++) expected.set(`k/${n % 7}`, textOf(n));
  if (last > 0) expected.set('last', String(last));
  assert.deepEqual(new Map(kvs.map(kv => [kv.key, kv.value])), expected);
  return last;
}

/** Histories over a real store and a real artifact store, begun anew as after a crash, and compared with the store's own history. */
import assert from 'node:assert/strict';
import {rm} from 'node:fs/promises';
import {ArtifactStore} from '../../coordinator/artifacts/artifactStore.ts';
import {blobsOf} from '../../coordinator/artifacts/textArtifacts.ts';
import type {HistoryBlobs} from '../../coordinator/history/historySegments.ts';
import type {HistorySettings} from '../../coordinator/history/historySettings.ts';
import {SessionHistory} from '../../coordinator/history/sessionHistory.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {HistoryMark, HistoryState} from '../../coordinator/protocol/commands/history.ts';
import {HistoryState as HistoryStateSchema} from '../../coordinator/protocol/commands/history.ts';
import {SYSTEM_KEYS} from '../../coordinator/protocol/model/keys.ts';
import {type Clock, systemClock} from '../../coordinator/runtime/clock.ts';
import {systemRandom} from '../../coordinator/runtime/random.ts';
import {absent} from '../../coordinator/store/records.ts';
import type {Store} from '../../coordinator/store/store.ts';
import {temporaryFolder} from '../artifacts/artifactHub.ts';
import {TENANT} from '../fixtures/attempts.ts';
import {openTestStore, type TestStore} from '../fixtures/openTestStore.ts';
import {storedState} from './randomSession.ts';

/** Holds while nobody else leads: here nobody does. */
export const FENCE = absent(SYSTEM_KEYS.lead);

export class HistoryFixture {
  private readonly histories: SessionHistory[] = [];

  private constructor(
    readonly test: TestStore,
    readonly artifacts: ArtifactStore,
    private readonly folder: string,
  ) {}

  static async open(): Promise<HistoryFixture> {
    const folder = await temporaryFolder();
    const artifacts = await ArtifactStore.open({
      ...{folder, clock: systemClock, random: systemRandom, logger: silentLogger},
      limits: {reserveBytes: 0},
    });
    return new HistoryFixture(await openTestStore(), artifacts, folder);
  }

  get blobs(): HistoryBlobs {
    return blobsOf(this.artifacts.tenant(TENANT));
  }

  /** Nothing of an earlier one goes on: it was killed. */
  history(
    settings: Partial<HistorySettings> = {},
    over: {store?: Store; blobs?: HistoryBlobs; clock?: Clock} = {},
  ): SessionHistory {
    for (const earlier of this.histories.splice(0)) earlier.journal.dispose();
    return this.another(settings, over);
  }

  /** Of another coordinator: the earlier ones go on. */
  another(
    settings: Partial<HistorySettings> = {},
    over: {store?: Store; blobs?: HistoryBlobs; clock?: Clock; coordinator?: string} = {},
  ): SessionHistory {
    const history = new SessionHistory({
      store: over.store ?? this.test.store,
      tenant: TENANT,
      blobs: over.blobs ?? this.blobs,
      principal: `coordinator:${over.coordinator ?? 'c-1'}`,
      clock: over.clock ?? systemClock,
      logger: silentLogger,
      settings: {sealIntervalMs: 1_000_000, ...settings},
    });
    this.histories.push(history);
    return history;
  }

  async start(settings: Partial<HistorySettings> = {}): Promise<SessionHistory> {
    const history = this.history(settings);
    await history.journal.start(FENCE);
    return history;
  }

  /** Every change that it shows from `fromRevision` on, in pages of `limit`. */
  async marks(history: SessionHistory, sessionId: string, limit = 7): Promise<HistoryMark[]> {
    const marks: HistoryMark[] = [];
    for (let fromRevision: number | undefined = 0; fromRevision !== undefined; ) {
      const page = await history.reader.read({sessionId, fromRevision, limit});
      marks.push(...page.marks);
      fromRevision = page.nextRevision;
    }
    return marks;
  }

  async close(): Promise<void> {
    for (const history of this.histories) history.journal.dispose();
    await this.test.remove();
    await rm(this.folder, {recursive: true, force: true});
  }
}

/** All pages of a past state, as a client gets them. */
export async function wholeState(
  history: SessionHistory,
  sessionId: string,
  revision: number,
  limit = 4,
): Promise<HistoryState> {
  let state: HistoryState | undefined;
  for (let offset: number | undefined = 0; offset !== undefined; ) {
    const page = HistoryStateSchema.parse(
      JSON.parse(JSON.stringify(await history.reader.state({sessionId, revision, offset, limit}))),
    );
    state = state ? {...page, rows: [...state.rows, ...page.rows]} : page;
    offset = page.nextOffset;
  }
  assert.ok(state);
  assert.equal(state.rows.length, state.total);
  return state;
}

export async function assertStateIsStored(
  history: SessionHistory,
  store: Store,
  sessionId: string,
  revision: number,
): Promise<void> {
  const state = await wholeState(history, sessionId, revision);
  const rows = new Map<string, unknown>();
  for (const row of state.rows) {
    const record = Object.entries(row).find(([name]) => name === row.kind)?.[1];
    const version = row.kind === 'memory' ? {version: row.version} : {};
    rows.set(`${row.kind}/${row.id}`, {record, ...version});
  }
  assert.deepEqual(rows, await storedState(store, sessionId, revision), `${sessionId} at ${revision}`);
  assert.equal(state.revision, revision);
  assert.equal(state.gap, undefined);
}

/**
 * Takes back what a task wrote to shared memory: where it wrote last, the key gets what it had before; where others have written since, both
 * values are kept for a person. Done twice it changes nothing more.
 */
import {createHash} from 'node:crypto';
import {parseAttemptId} from '../../protocol/ids.ts';
import {MemoryRecord} from '../../protocol/model/facts.ts';
import {type ConflictSide, MemoryConflictRecord, MemoryDeletion} from '../../protocol/model/memory.ts';
import {RECORD_VERSION} from '../../protocol/model/record.ts';
import {HUB} from '../../protocol/vectorClock.ts';
import {isCoordinatorError} from '../../runtime/errors.ts';
import {absent, putRecord, storedRecord} from '../../store/records.ts';
import type {Compare, Op} from '../../store/store.ts';
import type {SessionNode, TaskNode} from '../fleet/fleet.ts';
import {pages} from '../fleet/loader.ts';
import type {Term} from '../term/term.ts';

/** Of one key; what came before more than these is left alone. */
const MAX_VERSIONS = 1000;

/** A value, or its deletion; `from`: the revision that it is as of, which is an earlier one for what was restored. */
interface Version {
  readonly revision: number;
  readonly from: number;
  readonly writer: string | undefined;
  readonly value: MemoryRecord | undefined;
  readonly deletion: MemoryDeletion | undefined;
}

export class MemoryUndo {
  constructor(private readonly term: Pick<Term, 'store' | 'committer' | 'clock' | 'principal'>) {}

  /** Resolves to what could not be told, for a person. */
  async undo({session, spec}: TaskNode): Promise<string | undefined> {
    const {store} = this.term;
    const {keys, id} = session;
    const {revision} = await store.range(keys.memory(id), {limit: 1});
    const names = new Set<string>();
    for (const prefix of [keys.memory(id), keys.memoryDeletions(id)])
      for await (const kv of pages(store, prefix, revision)) names.add(kv.key.slice(prefix.length));
    const unknown: string[] = [];
    for (const name of names)
      try {
        await this.undoKey(session, name, spec.id, revision);
      } catch (error) {
        if (!isCoordinatorError(error, 'notFound')) throw error;
        unknown.push(name);
      }
    if (unknown.length === 0) return undefined;
    return `what these keys of shared memory had before is not known any more, and they stay as they are: ${unknown.slice(0, 10).join(', ')}`;
  }

  private async undoKey(session: SessionNode, name: string, taskId: string, now: number): Promise<void> {
    const last = await this.versionAt(session, name, now);
    let version = last;
    for (let tries = MAX_VERSIONS; version && version.writer !== taskId && tries > 0; tries--)
      version = await this.versionAt(session, name, version.from - 1);
    if (!last || version?.writer !== taskId) return;
    const written = version;
    for (let tries = MAX_VERSIONS; version?.writer === taskId && tries > 0; tries--)
      version = await this.versionAt(session, name, version.from - 1);
    if (last.writer === taskId) await this.restore(session, name, last, version);
    else await this.keepBoth(session, name, {last, written, before: version});
  }

  private async restore(
    {keys, id}: SessionNode,
    name: string,
    last: Version,
    before: Version | undefined,
  ): Promise<void> {
    const {committer, clock, principal} = this.term;
    const key = keys.memoryKey(id, name);
    const restored = before?.from ?? 0;
    const same: Compare = {key, target: 'mod', op: '=', operand: last.value ? last.revision : 0};
    const deletion: MemoryDeletion = {
      ...before?.deletion,
      v: RECORD_VERSION,
      principal,
      timestamp: clock.wallNow(),
      version: before?.deletion?.version ?? 1,
      restored,
    };
    const ops: Op[] = before?.value
      ? [putRecord(key, {...before.value, principal, timestamp: clock.wallNow(), restored})]
      : [
          ...(last.value ? [{kind: 'delete', key} as const] : []),
          putRecord(keys.memoryDeletion(id, name), deletion),
        ];
    // Refused: somebody has written just now, and keeps that.
    await committer.run([same], ops);
  }

  private async keepBoth(
    {keys, id}: SessionNode,
    name: string,
    {last, written, before}: {last: Version; written: Version; before: Version | undefined},
  ): Promise<void> {
    const {committer, clock, principal} = this.term;
    const attempt = written.value?.attemptId ?? written.deletion?.attemptId ?? '';
    const conflictId = createHash('sha256')
      .update(JSON.stringify([name, attempt]))
      .digest('hex')
      .slice(0, 16);
    const record: MemoryConflictRecord = {
      v: RECORD_VERSION,
      principal,
      id: conflictId,
      sessionId: id,
      key: name,
      reason: 'rolledBack',
      at: clock.wallNow(),
      agentId: (written.value?.instanceId ?? 'unknown').slice(0, 64),
      base: sideOf(written),
      theirs: sideOf(last),
      mine: before ? sideOf(before) : {principal, clock: {}},
    };
    const key = keys.memoryConflict(id, conflictId);
    await committer.run([absent(key)], [putRecord(key, MemoryConflictRecord.parse(record))]);
  }

  /** The last change of the key up to `atRevision`. Rejects with `notFound` where that was compacted. */
  private async versionAt(
    {keys, id}: SessionNode,
    name: string,
    atRevision: number,
  ): Promise<Version | undefined> {
    if (atRevision < 1) return undefined;
    const {store} = this.term;
    const kv = await store.get(keys.memoryKey(id, name), {atRevision});
    const stored = kv ?? (await store.get(keys.memoryDeletion(id, name), {atRevision}));
    if (!stored) return undefined;
    const value = kv && storedRecord(MemoryRecord, kv).value;
    const deletion = value ? undefined : storedRecord(MemoryDeletion, stored).value;
    const {attemptId, restored} = value ?? deletion ?? {};
    const revision = stored.modRevision;
    const writer = attemptId === undefined ? undefined : parseAttemptId(attemptId)?.taskId;
    return {revision, from: restored ?? revision, writer, value, deletion};
  }
}

function sideOf({value, deletion, revision}: Version): ConflictSide {
  return {
    ...(value && {value: value.value}),
    revision,
    principal: value?.principal ?? deletion?.principal ?? '',
    instanceId: value?.instanceId,
    attemptId: value?.attemptId ?? deletion?.attemptId,
    timestamp: value?.timestamp ?? deletion?.timestamp,
    clock: {[HUB]: revision},
  };
}

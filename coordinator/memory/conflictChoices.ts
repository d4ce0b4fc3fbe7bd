/** A person chooses between the two versions of a conflict, or writes a third. The choice, its effect and its audit record are one transaction. */
import {boundedPut} from '../effects/recordSize.ts';
import type {MemoryResolve, MemoryResolved} from '../protocol/commands/memory.ts';
import {ProtocolError} from '../protocol/errors.ts';
import {MemoryConflictRecord} from '../protocol/model/memory.ts';
import {RECORD_VERSION} from '../protocol/model/record.ts';
import type {JsonValue} from '../runtime/json.ts';
import type {AuditLog} from '../security/audit.ts';
import type {Principal} from '../security/principal.ts';
import {exists, putRecord, readRecord, unchanged} from '../store/records.ts';
import type {KeyValue, Op} from '../store/store.ts';
import type {MemoryScope} from './memoryScope.ts';
import {memoryRecord} from './memoryValue.ts';

export class ConflictChoices {
  constructor(
    private readonly scope: MemoryScope,
    private readonly audit: Pick<AuditLog, 'auditedTxn'>,
  ) {}

  /**
   * Errors: `notFound` (no such conflict, or somebody has resolved it), `conflict` (the key has another version than `ifVersion`),
   * `tooLarge`.
   */
  async resolve(params: MemoryResolve, principal: Principal): Promise<MemoryResolved> {
    const {sessionId, conflictId, choice, ifVersion} = params;
    this.scope.checkTenant(principal);
    const {store, keys} = this.scope;
    for (let tries = this.scope.fences.settings.maxTries; tries > 0; tries--) {
      const conflict = await readRecord(
        store,
        MemoryConflictRecord,
        keys.memoryConflict(sessionId, conflictId),
      );
      if (!conflict) throw new ProtocolError('notFound', `there is no conflict ${conflictId} (any more)`);
      const {key} = conflict.value;
      const at = keys.memoryKey(sessionId, key);
      const kv = await store.get(at);
      const version = kv?.version ?? 0;
      if (ifVersion !== undefined && version !== ifVersion)
        throw new ProtocolError('conflict', `memory key ${key} has version ${version}`, {version});
      const ops = this.chosen(params, principal, conflict.value, kv);
      const {succeeded, revision} = await this.audit.auditedTxn(
        {
          compare: [
            exists(keys.session(sessionId)),
            unchanged(conflict),
            {key: at, target: 'mod', op: '=', operand: kv?.modRevision ?? 0},
          ],
          then: [{kind: 'delete', key: conflict.key}, ...ops],
        },
        {
          action: 'memory.resolve',
          subject: `memory ${sessionId}/${key}`,
          detail: {conflict: conflictId, choice: choice.kind, reason: conflict.value.reason},
          principal,
          refusals: false,
        },
      );
      if (succeeded) return {version: versionAfter(ops, version), revision};
    }
    throw new ProtocolError('overloaded', 'the key is written too often; the conflict is still there');
  }

  private chosen(
    {sessionId, choice}: MemoryResolve,
    principal: Principal,
    conflict: MemoryConflictRecord,
    kv: KeyValue | undefined,
  ): Op[] {
    if (choice.kind === 'theirs') return [];
    const {keys, clock, instanceId} = this.scope;
    const value: JsonValue | undefined = choice.kind === 'mine' ? conflict.mine.value : choice.value;
    const timestamp = clock.wallNow();
    if (value !== undefined) {
      const record = memoryRecord(value, principal.id, timestamp, {
        instanceId,
        resolved: {strategy: 'manual', conflict: conflict.id},
      });
      return [boundedPut(keys.memoryKey(sessionId, conflict.key), record)];
    }
    if (!kv) return [];
    const deletion = {v: RECORD_VERSION, principal: principal.id, timestamp, version: kv.version};
    return [{kind: 'delete', key: kv.key}, putRecord(keys.memoryDeletion(sessionId, conflict.key), deletion)];
  }
}

function versionAfter(ops: readonly Op[], version: number): number {
  const [first] = ops;
  if (!first) return version;
  return first.kind === 'put' ? version + 1 : 0;
}

/** Changes the record of an attempt, whoever else does: what is written was made from what is there. */
import type {AttemptRecord} from '../protocol/model/attempt.ts';
import {found, putRecord, type Stored, unchanged} from '../store/records.ts';
import type {Compare, Op} from '../store/store.ts';
import type {Fences} from './fences.ts';

export interface Rewrite {
  readonly value: AttemptRecord;
  /** What must hold beside the record's being what it was. */
  readonly compare?: readonly Compare[];
  /** What is written with it. */
  readonly also?: readonly Op[];
}

/** `change` is asked again when the record is another meanwhile, and answers undefined to leave it. Rejects as the store does. */
export async function rewriteAttempt(
  {keys, attempts, settings, store}: Fences,
  attemptId: string,
  change: (before: AttemptRecord) => Rewrite | undefined,
): Promise<void> {
  const key = keys.attempt(attemptId);
  let attempt: Stored<AttemptRecord> | undefined = await attempts.read(key);
  for (let tries = settings.maxTries; tries > 0 && attempt; tries--) {
    const rewrite = change(attempt.value);
    if (!rewrite) return;
    const {value, compare = [], also = []} = rewrite;
    const result = await store.txn({
      compare: [unchanged(attempt), ...compare],
      then: [putRecord(key, value), ...also],
      else: [{kind: 'get', key}],
    });
    if (result.succeeded) {
      attempts.wrote(attempt, value, result.revision);
      return;
    }
    const now = found(result.responses[0]);
    if (!now || now.modRevision === attempt.modRevision) return;
    attempt = attempts.take(now);
  }
}

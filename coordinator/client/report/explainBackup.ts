/** Why a second attempt of a task began beside its first, and what became of it, in sentences. Pure. */
import type {AttemptRecord} from '../../protocol/model/attempt.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {counted} from '../../runtime/counted.ts';
import {duration} from './explainDecision.ts';

/** Empty for an attempt that is no backup. */
export function explainBackup(attempt: AttemptRecord): string[] {
  const {backupOf, backup, state, outcome, placement, usage, failure} = attempt;
  if (!backupOf) return [];
  const {attemptId, elapsedMs, expectedMs, leftMs} = backupOf;
  const fresh =
    placement?.durationMs === undefined
      ? ''
      : `; a fresh try here was expected to take ${duration(placement.durationMs)}`;
  const why = `It began as a backup of ${attemptId}, which had run for ${duration(elapsedMs)} where ${duration(expectedMs)} was expected, and was thought to need ${duration(leftMs)} more${fresh}.`;
  const spent = `Of the session's cost, $${usage.costUsd.toFixed(4)} is this speculation.`;
  if (outcome === 'succeeded') return [why, 'It was done first, and counts.', spent];
  if (state === 'ended')
    return [why, `It does not count: ${failure?.message ?? `it was ${outcome ?? 'ended'}`}.`, spent];
  return [
    why,
    backup
      ? 'Both run: the first to be done counts.'
      : 'It has taken the place of that one, and is the only one now.',
    spent,
  ];
}

/** What backups cost a session, in a few words; empty where there were none. */
export function speculationText({speculation}: Pick<SessionRecord, 'speculation'>): string {
  if (!speculation) return '';
  const {begun, won, spentUsd} = speculation;
  return `speculation $${spentUsd.toFixed(2)}: ${counted(begun, 'backup')}, ${won} won`;
}

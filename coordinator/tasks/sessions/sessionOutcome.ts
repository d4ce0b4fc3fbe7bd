/** What a session comes to when all its tasks are at their end. Pure. */
import type {SessionState} from '../../protocol/model/session.ts';
import type {TaskRecord} from '../../protocol/model/task.ts';
import type {SessionNode} from '../fleet/fleet.ts';

export interface SessionOutcome {
  readonly state: SessionState;
  /** For a person; undefined when it succeeded. */
  readonly failure: string | undefined;
}

const NAMED = 8;
const REASON_CHARS = 300;

export function sessionOutcome(session: SessionNode): SessionOutcome {
  const {record, counts} = session;
  const isEmptied = counts.total === 0 && record.endingAs !== undefined;
  if (counts.succeeded === counts.total && !isEmptied) return {state: 'succeeded', failure: undefined};
  const failed = named(session, task => task.state === 'failed');
  const cancelled = named(session, task => task.state === 'cancelled' && task.failure?.kind !== 'dependency');
  const undone = named(session, task => task.state === 'rolledBack');
  const held = counts.cancelled - cancelled.count - undone.count;
  const parts: string[] = [];
  if (record.endingAs !== undefined && record.failure !== undefined) parts.push(record.failure);
  if (failed.count > 0) parts.push(`${failed.count} of ${counts.total} tasks failed: ${failed.text}`);
  if (undone.count > 0) parts.push(`${undone.count} rolled back: ${undone.text}`);
  if (cancelled.count > 0) parts.push(`${cancelled.count} cancelled: ${cancelled.text}`);
  if (held > 0) parts.push(`${held} never started because they depend on these`);
  const state =
    record.endingAs ??
    (failed.count + undone.count > 0 || record.state !== 'ending' ? 'failed' : 'cancelled');
  return {state, failure: parts.join('\n').slice(0, 8192)};
}

function named(session: SessionNode, isMeant: (task: TaskRecord) => boolean): {count: number; text: string} {
  let count = 0;
  const texts: string[] = [];
  for (const {record} of session.tasks.values()) {
    if (record.about || !isMeant(record)) continue;
    count += 1;
    if (texts.length < NAMED) texts.push(`${record.id}${reason(record)}`);
  }
  if (count > NAMED) texts.push(`and ${count - NAMED} more`);
  return {count, text: texts.join('; ')};
}

function reason({failure, state}: TaskRecord): string {
  if (!failure || state === 'cancelled') return '';
  return ` (${failure.kind}: ${failure.message.slice(0, REASON_CHARS)})`;
}

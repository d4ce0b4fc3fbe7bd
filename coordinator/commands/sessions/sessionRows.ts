/** Finding a session by its id, or by an unambiguous beginning of it. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {readSession, type SessionReport} from '../../client/report/sessionReport.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import type {Plan} from '../../protocol/plan/plan.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {snapshotRows} from '../local/connect.ts';

/** Newest first. */
export async function listSessions(client: McpxClient): Promise<SessionRecord[]> {
  const rows = await snapshotRows(client, {view: 'sessions'});
  return rows
    .flatMap(row => (row.kind === 'session' ? [row.session] : []))
    .sort((a, b) => b.createdAt - a.createdAt);
}

/** `last` names the newest. */
export async function requireSession(client: McpxClient, id: string): Promise<SessionRecord> {
  const sessions = await listSessions(client);
  if (id === 'last' && sessions[0]) return sessions[0];
  const found = sessions.filter(
    session => session.id === id || session.id.startsWith(id) || session.id.startsWith(`s-${id}`),
  );
  const [only] = found;
  if (only && found.length === 1) return only;
  throw new CoordinatorError(
    'notFound',
    found.length > 1 ? `"${id}" is the beginning of ${found.length} sessions` : `there is no session "${id}"`,
    {hint: 'mcpx sessions list shows those that are kept.'},
  );
}

export function sessionReport(rows: Iterable<Row>, sessionId: string, plan?: Plan): SessionReport {
  const report = readSession(rows, sessionId, plan);
  if (!report) throw new CoordinatorError('notFound', `session ${sessionId} is gone`);
  return report;
}

/** What a second client sees of a person's sessions: rows and transcripts, read over the real protocol. */
import assert from 'node:assert/strict';
import type {McpxClient} from '../../coordinator/client/mcpxClient.ts';
import {openClient, snapshotRows} from '../../coordinator/commands/local/connect.ts';
import {silentLogger} from '../../coordinator/observability/logger.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {TranscriptEvent} from '../../coordinator/protocol/transcript.ts';
import {found} from '../support/waiting.ts';
import type {Person} from './person.ts';

const WAIT_MS = 60_000;
const WINDOW = 1000;

export interface SessionFacts {
  readonly session: SessionRecord;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  /** By number. */
  attemptsOf(taskId: string): AttemptRecord[];
}

/** With a client of the coordinator that runs for this person. */
export async function observe<T>(person: Person, work: (client: McpxClient) => Promise<T>): Promise<T> {
  const endpoint = await found(() => person.endpoint, WAIT_MS, 'the coordinator');
  const client = await openClient({url: endpoint.url, token: endpoint.token, ca: endpoint.ca}, silentLogger);
  try {
    return await work(client);
  } finally {
    client.dispose();
  }
}

export async function sessionFacts(client: McpxClient, sessionId: string): Promise<SessionFacts> {
  const rows = await snapshotRows(client, {view: 'session', sessionId});
  const session = rows.flatMap(row => (row.kind === 'session' ? [row.session] : []))[0];
  assert.ok(session, `there is no session ${sessionId}`);
  const attempts = rows.flatMap(row => (row.kind === 'attempt' ? [row.attempt] : []));
  return {
    session,
    tasks: new Map(rows.flatMap(row => (row.kind === 'task' ? [[row.task.id, row.task]] : []))),
    attemptsOf: taskId =>
      attempts.filter(attempt => attempt.taskId === taskId).sort((a, b) => a.number - b.number),
  };
}

/** Every event of an ended attempt. */
export async function transcriptOf(client: McpxClient, attemptId: string): Promise<TranscriptEvent[]> {
  const events: TranscriptEvent[] = [];
  for (;;) {
    const window = await client.request('mcpx.transcript.read', {
      attemptId,
      fromSeq: events.length + 1,
      limit: WINDOW,
    });
    events.push(...window.events);
    if (window.ended && events.length >= window.lastSeq) return events;
    assert.ok(window.events.length > 0, `the transcript of ${attemptId} does not end`);
  }
}

/** Resolves with the only approval that waits, once there is one that is not among `known`. */
export function nextApproval(
  person: Person,
  known: ReadonlySet<string> = new Set(),
  timeoutMs = WAIT_MS,
): Promise<ApprovalRecord> {
  return observe(person, client =>
    found(
      async () =>
        (await snapshotRows(client, {view: 'approvals'})).flatMap(row =>
          row.kind === 'approval' && row.approval.state.kind === 'waiting' && !known.has(row.approval.id)
            ? [row.approval]
            : [],
        )[0],
      timeoutMs,
      'an approval',
    ),
  );
}

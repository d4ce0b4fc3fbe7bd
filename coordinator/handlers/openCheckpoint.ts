/** Gives an attempt the checkpoint that it may go on from, with the tool calls that were begun after it: those stand in transcripts alone. */
import type * as z from 'zod';
import {
  type CheckpointOpen,
  type CheckpointOpened,
  type LaterCall,
  MAX_LATER_CALLS,
} from '../protocol/commands/checkpoint.ts';
import {attemptId, parseAttemptId} from '../protocol/ids.ts';
import type {CheckpointRecord} from '../protocol/model/checkpoint.ts';
import type {TranscriptEvent} from '../protocol/transcript.ts';
import type {Principal} from '../security/principal.ts';
import type {Services} from './services.ts';

const WINDOW = 1000;
const MAX_INPUT = 2000;

export async function openCheckpoint(
  services: Pick<Services, 'checkpoints' | 'transcripts' | 'ways'>,
  params: CheckpointOpen,
  principal: Principal,
): Promise<z.input<typeof CheckpointOpened>> {
  const record = await services.checkpoints.newest(params, principal);
  if (!record) return {};
  const calls = new Map<string, LaterCall>();
  for (const [id, fromSeq] of transcriptsAfter(record, params.attemptId))
    for await (const event of eventsOf(services, id, fromSeq)) take(calls, event);
  const later = [...calls.values()];
  const {checkpoint} = record;
  const from = {attemptId: record.attemptId, agentId: record.agentId, calls: checkpoint.calls};
  const more = Math.max(0, later.length - MAX_LATER_CALLS);
  return {kept: {from, checkpoint, later: later.slice(0, MAX_LATER_CALLS), more}};
}

/** That of the attempt which made the checkpoint, and of those after it that made none of their own. */
function transcriptsAfter(record: CheckpointRecord, asking: string): [id: string, fromSeq: number][] {
  const made = parseAttemptId(record.attemptId);
  const last = parseAttemptId(asking)?.number ?? 0;
  if (!made) return [];
  const found: [string, number][] = [[record.attemptId, record.checkpoint.seq + 1]];
  for (let number = made.number + 1; number < last; number++)
    found.push([attemptId(made.sessionId, made.taskId, number), 1]);
  return found;
}

async function* eventsOf(
  {transcripts, ways}: Pick<Services, 'transcripts' | 'ways'>,
  id: string,
  fromSeq: number,
): AsyncGenerator<TranscriptEvent> {
  for (let next = fromSeq; ; ) {
    const window = {attemptId: id, fromSeq: next, limit: WINDOW};
    const {events, lastSeq} = (await ways.transcripts.read(window)) ?? (await transcripts.window(window));
    yield* events;
    next += events.length;
    if (events.length === 0 || next > lastSeq) return;
  }
}

function take(calls: Map<string, LaterCall>, event: TranscriptEvent): void {
  if (event.kind === 'toolResult') {
    const call = calls.get(event.id);
    if (call) calls.set(event.id, {...call, ended: true});
  }
  if (event.kind !== 'toolCall') return;
  const text = JSON.stringify(event.input);
  const input = text.length > MAX_INPUT ? `${text.slice(0, MAX_INPUT)}…` : text;
  calls.set(event.id, {id: event.id, name: event.name, input, ended: false});
}

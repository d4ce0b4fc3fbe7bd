/**
 * Mailboxes between agents and leads: ordered messages to a name, kept in the shared memory of a session under `mailbox/NAME/` until they are
 * acknowledged. A message is there once it was sent; who receives it and dies before the acknowledgement gets it again, by the same id.
 */
import * as z from 'zod';
import type {MemoryWrite} from '../../protocol/commands/memory.ts';
import {MAX_MEMORY_WRITES} from '../../protocol/commands/memory.ts';
import {isProtocolError, ProtocolError} from '../../protocol/errors.ts';
import type {JsonValue} from '../../runtime/json.ts';
import type {Actor} from './actor.ts';

/** Messages that wait for one name. */
export const MAX_WAITING = 200;
export const MAX_TEXT = 16_384;
export const RecipientName = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'letters, digits, "_", "-" and ".", at most 64');

/** Ids of the last messages, so that one that is sent again is known. */
const REMEMBERED = 100;
const MAX_TRIES = 16;

const Head = z.object({
  next: z.number().int().positive(),
  recent: z.array(z.tuple([z.string(), z.number()])),
});
type Head = z.infer<typeof Head>;
const Kept = z.object({id: z.string(), from: z.string(), text: z.string(), data: z.json().optional()});

export interface Letter {
  readonly id: string;
  readonly from: string;
  readonly text: string;
  readonly data?: JsonValue | undefined;
}

export interface Message extends Letter {
  readonly number: number;
  readonly sentAt: number;
}

export interface Mailbox {
  readonly sessionId: string;
  readonly name: string;
}

/** The keys of its messages, in their order. */
export function messagePattern({name}: Pick<Mailbox, 'name'>): string {
  return `mailbox/${name}/m-*`;
}

/** Resolves with the message's number once it is stored; `again`: it was there. Errors: `overloaded` when too many wait, `staleFence`. */
export async function send(
  actor: Actor,
  {sessionId, name}: Mailbox,
  letter: Letter,
): Promise<{readonly number: number; readonly again: boolean}> {
  const headKey = `mailbox/${name}/head`;
  for (let tries = MAX_TRIES; tries > 0; tries--) {
    const {record, version} = await actor.request(
      'mcpx.memory.get',
      {sessionId, key: headKey},
      {retry: true},
    );
    const head = headOf(record?.value, name);
    const known = head.recent.find(([id]) => id === letter.id);
    if (known) return {number: known[1], again: true};
    await refuseFull(actor, {sessionId, name});
    const recent = [...head.recent, [letter.id, head.next] as [string, number]].slice(-REMEMBERED);
    const writes: MemoryWrite[] = [
      {kind: 'put', key: headKey, value: {next: head.next + 1, recent}, ifVersion: version},
      {kind: 'put', key: messageKey(name, head.next), value: {...letter}, ifVersion: 0},
    ];
    try {
      await actor.request('mcpx.memory.txn', {sessionId, writes, fence: actor.attempt?.fence});
      return {number: head.next, again: false};
    } catch (error) {
      // Another sender was first.
      if (!isProtocolError(error, 'conflict')) throw error;
    }
  }
  throw new ProtocolError('overloaded', `the mailbox of ${name} is contended: send it again`);
}

/** The oldest that wait, in order. */
export async function waiting(actor: Actor, {sessionId, name}: Mailbox, limit: number): Promise<Message[]> {
  const params = {sessionId, pattern: messagePattern({name}), limit};
  const {entries} = await actor.request('mcpx.memory.list', params, {retry: true});
  return entries.flatMap(({key, record}) => {
    const kept = Kept.safeParse(record.value);
    const number = Number(/\/m-(\d+)$/.exec(key)?.[1]);
    // Whatever else somebody wrote there is no message.
    return kept.success && Number.isSafeInteger(number)
      ? [{...kept.data, number, sentAt: record.timestamp}]
      : [];
  });
}

/** Deletes what waits up to this number; resolves with how many there were. */
export async function acknowledge(actor: Actor, mailbox: Mailbox, upTo: number): Promise<number> {
  const {sessionId, name} = mailbox;
  const taken = (await waiting(actor, mailbox, MAX_WAITING)).filter(({number}) => number <= upTo);
  for (let at = 0; at < taken.length; at += MAX_MEMORY_WRITES) {
    const writes = taken
      .slice(at, at + MAX_MEMORY_WRITES)
      .map(({number}): MemoryWrite => ({kind: 'delete', key: messageKey(name, number)}));
    await actor.request('mcpx.memory.txn', {sessionId, writes, fence: actor.attempt?.fence});
  }
  return taken.length;
}

async function refuseFull(actor: Actor, mailbox: Mailbox): Promise<void> {
  const there = await waiting(actor, mailbox, MAX_WAITING);
  if (there.length < MAX_WAITING) return;
  throw new ProtocolError(
    'overloaded',
    `${MAX_WAITING} messages wait for ${mailbox.name}, which does not take them: nothing was sent`,
  );
}

function headOf(value: unknown, name: string): Head {
  if (value === undefined) return {next: 1, recent: []};
  const head = Head.safeParse(value);
  if (head.success) return head.data;
  throw new ProtocolError('conflict', `mailbox/${name}/head was overwritten and is no mailbox any more`);
}

/** So many digits that they sort as numbers do. */
function messageKey(name: string, number: number): string {
  return `mailbox/${name}/m-${String(number).padStart(12, '0')}`;
}

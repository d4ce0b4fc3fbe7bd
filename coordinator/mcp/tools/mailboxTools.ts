/** Tools by which agents and leads write to each other. */
import * as z from 'zod';
import {SessionId} from '../../protocol/ids.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import {newId} from '../../runtime/random.ts';
import {type Actor, sessionOf} from './actor.ts';
import {type HubTool, hubTool} from './hubTool.ts';
import {acknowledge, MAX_TEXT, MAX_WAITING, messagePattern, RecipientName, send, waiting} from './mailbox.ts';
import {jsonOf} from './memoryTools.ts';
import {idFor, key} from './planInput.ts';
import {clip} from './views.ts';
import {lookUntil, waitSeconds} from './waiting.ts';

/** Where whoever leads looks. */
const LEAD = 'lead';

const mailboxSend = hubTool({
  name: 'mailbox_send',
  title: 'Send a message',
  description:
    'Puts a message into a mailbox of a session, where it waits until it is acknowledged. Mailboxes have names: "lead" is that of whoever runs the session, an attempt looks into the one of its task id. A message arrives at least once, in order of its number; its id tells one that comes again.',
  scope: 'both',
  input: z.object({
    key,
    sessionId: SessionId.optional(),
    to: RecipientName.describe('Name of the mailbox.'),
    text: z.string().min(1).max(MAX_TEXT),
    data: z.unknown().optional().describe('Any JSON beside the text.'),
  }),
  output: z.object({messageId: z.string(), number: z.number(), again: z.boolean()}),
  async run({key: named, sessionId, to, text, data}, {actor, random}) {
    const mailbox = {sessionId: sessionOf(actor, sessionId), name: to};
    const from = senderOf(actor);
    const id = named === undefined ? newId(random, 'm') : idFor('m', actor.principal, [from, to, named]);
    const letter = {id, from, text, ...(data === undefined ? {} : {data: jsonOf(data)})};
    return {messageId: id, ...(await send(actor, mailbox, letter))};
  },
  say: ({number, again}) => `Message ${number} ${again ? 'was there already' : 'waits in the mailbox'}.`,
});

const mailboxReceive = hubTool({
  name: 'mailbox_receive',
  title: 'Receive messages',
  description:
    'Reads the messages that wait in a mailbox, oldest first, waiting for one when there is none. They stay until you acknowledge them: give the "cursor" of the answer as "ack" the next time, once you have done what they ask.',
  scope: 'both',
  input: z.object({
    sessionId: SessionId.optional(),
    name: RecipientName.optional().describe('Default: "lead", for an attempt its task id.'),
    ack: z.number().int().nonnegative().optional().describe('Messages up to this number are taken.'),
    limit: z.number().int().min(1).max(MAX_WAITING).default(50),
    waitSeconds,
  }),
  output: z.object({
    messages: z.array(
      z.object({
        messageId: z.string(),
        number: z.number(),
        from: z.string(),
        text: z.string(),
        data: z.unknown().optional(),
        sentAt: z.string(),
      }),
    ),
    cursor: z.number().describe('Number of the last message here, or what was acknowledged.'),
  }),
  async run({sessionId: named, name, ack = 0, limit, waitSeconds: seconds}, context) {
    const {actor} = context;
    const mailbox = {sessionId: sessionOf(actor, named), name: name ?? actor.attempt?.taskId ?? LEAD};
    if (ack > 0) await acknowledge(actor, mailbox, ack);
    let found = await waiting(actor, mailbox, limit);
    if (found.length === 0 && seconds > 0) {
      const {matches} = compilePattern(messagePattern(mailbox));
      await lookUntil(context, {view: 'memory', sessionId: mailbox.sessionId}, seconds, rows => ({
        done: rows.some(row => row.kind === 'memory' && matches(row.key)),
        value: undefined,
      }));
      found = await waiting(actor, mailbox, limit);
    }
    return {
      messages: found.map(({id, sentAt, ...message}) => ({
        ...message,
        messageId: id,
        sentAt: new Date(sentAt).toISOString(),
      })),
      cursor: found.at(-1)?.number ?? ack,
    };
  },
  say: ({messages}) =>
    messages.length === 0
      ? 'No messages.'
      : messages.map(({number, from, text}) => `${number} from ${from}: ${clip(text, 1000)}`).join('\n'),
});

function senderOf({attempt, principal}: Actor): string {
  return attempt ? attempt.taskId : principal.id;
}

export const MAILBOX_TOOLS: readonly HubTool[] = [mailboxSend, mailboxReceive];

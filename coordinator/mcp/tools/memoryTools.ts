/** Tools for the shared memory of a session. An attempt's writes go under its fence. */
import * as z from 'zod';
import type {MemoryEntry} from '../../protocol/commands/memory.ts';
import {ProtocolError} from '../../protocol/errors.ts';
import {SessionId} from '../../protocol/ids.ts';
import {KeyPattern} from '../../protocol/keyPattern.ts';
import {MemoryKey} from '../../protocol/model/facts.ts';
import type {JsonValue} from '../../runtime/json.ts';
import {sessionOf} from './actor.ts';
import {type HubTool, hubTool} from './hubTool.ts';
import {memoryChanges} from './memoryWait.ts';
import {clip} from './views.ts';
import {waitSeconds} from './waiting.ts';

const sessionId = SessionId.optional().describe("Whose memory. An attempt's is that of its own session.");
const Version = z.number().int().nonnegative();

const Entry = z.object({
  key: z.string(),
  value: z.unknown(),
  version: z.number().describe('Rises by one with each write of the key.'),
  revision: z.number().describe('At which it was written.'),
  by: z.string(),
});

function entryOf({key, record, version, modRevision}: MemoryEntry): z.output<typeof Entry> {
  return {key, value: record.value, version, revision: modRevision, by: record.attemptId ?? record.principal};
}

const memoryGet = hubTool({
  name: 'memory_get',
  title: 'Read shared memory',
  description: 'Reads a key of the shared memory of a session. "found" is false where there is no such key.',
  scope: 'both',
  readOnly: true,
  input: z.object({sessionId, key: MemoryKey}),
  output: z.object({
    found: z.boolean(),
    value: z.unknown().optional(),
    version: Version.describe('0: there is none.'),
    revision: z.number(),
    by: z.string().optional(),
  }),
  async run({sessionId: named, key}, {actor}) {
    const params = {sessionId: sessionOf(actor, named), key};
    const {record, version, revision} = await actor.request('mcpx.memory.get', params, {retry: true});
    const by = record && (record.attemptId ?? record.principal);
    return {found: record !== undefined, value: record?.value, version, revision, by};
  },
  say: ({found, value, version}) =>
    found ? `Version ${version}: ${clip(JSON.stringify(value), 4000)}` : 'There is no such key.',
});

const memoryPut = hubTool({
  name: 'memory_put',
  title: 'Write shared memory',
  description:
    'Writes a JSON value under a key of the shared memory of a session, for all who work in it. With "ifVersion" only where the key still has that version (0: where there is none), so that nobody else\'s write is lost; otherwise the error names the version that it has.',
  scope: 'both',
  input: z.object({
    sessionId,
    key: MemoryKey,
    value: z.unknown().describe('Any JSON value.'),
    ifVersion: Version.optional(),
    ttlSeconds: z.number().positive().optional().describe('The value ends so long after the write.'),
  }),
  output: z.object({version: z.number(), revision: z.number()}),
  async run({sessionId: named, key, value, ifVersion, ttlSeconds}, {actor}) {
    return actor.request('mcpx.memory.put', {
      sessionId: sessionOf(actor, named),
      key,
      value: jsonOf(value),
      ifVersion,
      ttl: ttlSeconds === undefined ? undefined : Math.ceil(ttlSeconds * 1000),
      fence: actor.attempt?.fence,
    });
  },
  say: ({version}) => `Written: version ${version}.`,
});

const memoryDelete = hubTool({
  name: 'memory_delete',
  title: 'Delete from shared memory',
  description: 'Deletes a key of the shared memory of a session. Its history stays.',
  scope: 'both',
  destructive: true,
  idempotent: true,
  input: z.object({sessionId, key: MemoryKey, ifVersion: z.number().int().positive().optional()}),
  output: z.object({deleted: z.boolean(), revision: z.number()}),
  async run({sessionId: named, key, ifVersion}, {actor}) {
    const fence = actor.attempt?.fence;
    return actor.request('mcpx.memory.delete', {sessionId: sessionOf(actor, named), key, ifVersion, fence});
  },
  say: ({deleted}) => (deleted ? 'Deleted.' : 'There was no such key.'),
});

const memoryList = hubTool({
  name: 'memory_list',
  title: 'List shared memory',
  description:
    'Lists keys of the shared memory of a session with their values, in order. The pattern knows * (within a segment), ** (anything) and ?.',
  scope: 'both',
  readOnly: true,
  input: z.object({
    sessionId,
    pattern: KeyPattern.default('**'),
    after: MemoryKey.optional().describe('"next" of the page before.'),
    limit: z.number().int().min(1).max(1000).default(100),
  }),
  output: z.object({entries: z.array(Entry), revision: z.number(), next: z.string().optional()}),
  async run({sessionId: named, ...page}, {actor}) {
    const params = {sessionId: sessionOf(actor, named), ...page};
    const {entries, revision, next} = await actor.request('mcpx.memory.list', params, {retry: true});
    return {entries: entries.map(entryOf), revision, next};
  },
  say: sayEntries,
});

const memoryWatch = hubTool({
  name: 'memory_watch',
  title: 'Wait for a change of shared memory',
  description:
    'Waits until a key that matches the pattern is written or deleted after the revision that you have seen (of memory_get, memory_list or an earlier memory_watch; default: now). At the time limit the lists are empty: call it again with the "revision" of the answer, at any coordinator, and miss nothing.',
  scope: 'both',
  readOnly: true,
  input: z.object({
    sessionId,
    pattern: KeyPattern.default('**'),
    after: z.number().int().nonnegative().optional(),
    waitSeconds,
  }),
  output: z.object({
    changed: z.array(Entry),
    deleted: z.array(z.string()),
    revision: z.number().describe('Up to which you have seen everything: give it as "after" the next time.'),
    reset: z.boolean().describe('What was at "after" is forgotten: "changed" is all that there is.'),
  }),
  async run({sessionId: named, pattern, after, waitSeconds: seconds}, context) {
    const wait = {sessionId: sessionOf(context.actor, named), pattern, after, seconds};
    const {changed, deleted, ...rest} = await memoryChanges(context, wait);
    return {changed: changed.map(entryOf), deleted: [...deleted], ...rest};
  },
  say: ({changed, deleted}) =>
    changed.length + deleted.length === 0
      ? 'Nothing has changed; call memory_watch again to go on.'
      : [...changed.map(entryText), ...deleted.map(key => `${key}: deleted`)].join('\n'),
});

export function jsonOf(value: unknown): JsonValue {
  const checked = z.json().safeParse(value);
  if (checked.success) return checked.data;
  throw new ProtocolError('invalidParams', 'value: it is missing, or no JSON');
}

function sayEntries({entries}: {entries: readonly z.output<typeof Entry>[]}): string {
  return entries.length === 0 ? 'There are no such keys.' : entries.map(entryText).join('\n');
}

function entryText({key, value, version}: z.output<typeof Entry>): string {
  return `${key} (version ${version}): ${clip(JSON.stringify(value), 400)}`;
}

export const MEMORY_TOOLS: readonly HubTool[] = [memoryGet, memoryPut, memoryDelete, memoryList, memoryWatch];

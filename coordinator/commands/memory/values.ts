/** `mcpx memory get|put|delete|list`: the values that are there, or were. */
import {silentLogger} from '../../observability/logger.ts';
import type {MemoryEntry} from '../../protocol/commands/memory.ts';
import {answer} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {withClient} from '../local/connect.ts';
import {
  compactedError,
  jsonOrText,
  type MemoryOptions,
  preview,
  sessionOf,
  timeOf,
  whole,
} from './memoryOptions.ts';

export interface GetOptions extends MemoryOptions {
  readonly level: 'strong' | 'eventual';
  readonly at?: string;
}

export function getValue(key: string, options: GetOptions, io: CommandIo): Promise<number> {
  const atRevision = whole(options.at, 'revision');
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const how = atRevision === undefined ? {level: options.level} : {atRevision};
    const got = await client.request('mcpx.memory.get', {sessionId, key, ...how});
    const {record, compacted} = got;
    if (compacted !== undefined) throw compactedError(`${key} at revision ${atRevision}`, compacted);
    const text = record ? `${JSON.stringify(record.value)}\n` : '';
    answer(io, options, {session: sessionId, key, value: record?.value, ...got}, text);
    return record ? EXIT.ok : EXIT.failed;
  });
}

export interface PutOptions extends MemoryOptions {
  readonly ifVersion?: string;
  readonly ttl?: number;
}

export function putValue(key: string, text: string, options: PutOptions, io: CommandIo): Promise<number> {
  const ifVersion = whole(options.ifVersion, 'version');
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const value = jsonOrText(text);
    const put = await client.request('mcpx.memory.put', {
      ...{sessionId, key, value, ifVersion},
      ttl: options.ttl,
    });
    answer(io, options, {session: sessionId, key, ...put}, `version ${put.version}\n`);
    return EXIT.ok;
  });
}

export function deleteValue(
  key: string,
  options: Pick<PutOptions, keyof MemoryOptions | 'ifVersion'>,
  io: CommandIo,
): Promise<number> {
  const ifVersion = whole(options.ifVersion, 'version');
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const result = await client.request('mcpx.memory.delete', {sessionId, key, ifVersion});
    const text = result.deleted ? `${key} is deleted\n` : `there is no ${key}\n`;
    answer(io, options, {session: sessionId, key, ...result}, text);
    return result.deleted ? EXIT.ok : EXIT.failed;
  });
}

export function listValues(
  pattern: string | undefined,
  options: MemoryOptions & {readonly at?: string},
  io: CommandIo,
): Promise<number> {
  const atRevision = whole(options.at, 'revision');
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const entries: MemoryEntry[] = [];
    let revision = 0;
    for (let after: string | undefined; ; ) {
      const page = await client.request('mcpx.memory.list', {sessionId, pattern, after, atRevision});
      if (page.compacted !== undefined) throw compactedError(`revision ${atRevision}`, page.compacted);
      entries.push(...page.entries);
      ({revision, next: after} = page);
      if (after === undefined) break;
    }
    const text = entries.map(line).join('');
    answer(io, options, {session: sessionId, revision, entries}, text === '' ? 'No keys.\n' : text);
    return EXIT.ok;
  });
}

function line({key, version, record}: MemoryEntry): string {
  return `${key}  v${version}  ${timeOf(record.timestamp)}  ${preview(record.value)}\n`;
}

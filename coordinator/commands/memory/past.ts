/** `mcpx memory history|watch`: what a key was, and what changes from now on. */
import type {ViewUpdate} from '../../client/viewWatch.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {MemoryVersion} from '../../protocol/commands/memory.ts';
import type {Row} from '../../protocol/commands/watch.ts';
import {compilePattern} from '../../protocol/keyPattern.ts';
import {deferred} from '../../runtime/deferred.ts';
import {answer} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {withClient} from '../local/connect.ts';
import {count} from '../local/options.ts';
import {type MemoryOptions, preview, sessionOf, timeOf} from './memoryOptions.ts';

const PAGE = 200;

export function showKeyHistory(
  key: string,
  options: MemoryOptions & {readonly limit: string},
  io: CommandIo,
): Promise<number> {
  const limit = count(options.limit);
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const versions: MemoryVersion[] = [];
    let compacted: number | undefined;
    for (let before: number | undefined; versions.length < limit; ) {
      const size = Math.min(PAGE, limit - versions.length);
      const page = await client.request('mcpx.memory.history', {sessionId, key, before, limit: size});
      versions.push(...page.versions);
      ({compacted, next: before} = page);
      if (before === undefined) break;
    }
    const end = compacted === undefined ? '' : `what was before revision ${compacted} is forgotten\n`;
    const text = `${versions.map(versionLine).join('')}${end}`;
    answer(io, options, {session: sessionId, key, versions, compacted}, text);
    return versions.length > 0 || compacted !== undefined ? EXIT.ok : EXIT.failed;
  });
}

function versionLine(version: MemoryVersion): string {
  const start = String(version.revision).padStart(8);
  if (version.kind === 'delete') {
    const {timestamp, principal, expired} = version.deletion;
    return `${start}  ${timeOf(timestamp)}  ${expired ? 'expired' : `deleted by ${principal}`}\n`;
  }
  const {timestamp, principal, attemptId, value} = version.record;
  const who = attemptId ?? principal;
  return `${start}  ${timeOf(timestamp)}  v${version.version}  ${who}  ${preview(value)}\n`;
}

/** With `--json` one object a line. */
export function watchMemory(
  pattern: string | undefined,
  options: MemoryOptions & {readonly count?: string},
  io: CommandIo,
): Promise<number> {
  const atMost = options.count === undefined ? Number.POSITIVE_INFINITY : count(options.count);
  const {matches} = compilePattern(pattern ?? '**');
  return withClient(options, io, silentLogger, async client => {
    const sessionId = await sessionOf(client, options, io);
    const over = deferred<void>();
    let told = 0;
    const tell = (event: object, text: string): void => {
      if (told >= atMost) return;
      told += 1;
      io.stdout(options.json ? `${JSON.stringify(event)}\n` : `${text}\n`);
      if (told >= atMost) over.resolve();
    };
    const watch = client.watch({view: 'memory', sessionId}, update => {
      for (const [event, text] of eventsOf(update, matches)) tell(event, text);
    });
    try {
      await over.promise;
    } finally {
      watch.dispose();
    }
    return EXIT.ok;
  });
}

/** What is there at the start is no change. */
function* eventsOf(
  update: ViewUpdate,
  matches: (key: string) => boolean,
): Generator<readonly [object, string]> {
  if (update.kind === 'snapshot' && update.reset) {
    const {revision} = update.cursor;
    yield [{kind: 'reset', revision}, `changes before revision ${revision} were missed`];
  }
  if (update.kind !== 'changes') return;
  const {revision} = update.cursor;
  for (const row of update.upserts) {
    const key = keyOf(row);
    if (key === undefined || !matches(key)) continue;
    if (row.kind === 'memory') {
      const {version, memory} = row;
      const {value} = memory;
      yield [
        {kind: 'put', key, revision, version, value},
        `${revision}  ${key}  v${version}  ${preview(value)}`,
      ];
    } else if (row.kind === 'conflict') {
      const {id, mine} = row.conflict;
      const text = `${revision}  ${key}  conflict ${id}: ${preview(mine.value)} was written meanwhile`;
      yield [{kind: 'conflict', key, revision, conflict: id}, text];
    }
  }
  for (const {kind, id} of update.deletes)
    if (kind === 'memory' && matches(id))
      yield [{kind: 'delete', key: id, revision}, `${revision}  ${id}  deleted`];
}

function keyOf(row: Row): string | undefined {
  if (row.kind === 'memory') return row.key;
  return row.kind === 'conflict' ? row.conflict.key : undefined;
}

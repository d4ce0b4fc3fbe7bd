/** `mcpx cache`: the results that are kept for later tasks with identical inputs, looked at and forgotten. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import type {CacheClear, CacheListed} from '../protocol/commands/cache.ts';
import {formatDuration, parseDuration} from '../protocol/plan/duration.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {answer, type JsonOption, jsonOption} from './answer.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, withClient} from './local/connect.ts';
import {connectOptions, count} from './local/options.ts';
import {printable} from './report/terminalText.ts';

type ListOptions = ConnectOptions & JsonOption & {readonly limit: number};
type ClearOptions = ConnectOptions &
  JsonOption & {
    readonly session?: string;
    readonly task?: string;
    readonly unused?: number;
    readonly all: boolean;
  };

const SHOWN_DIGITS = 12;

export function addCacheCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const cache = program
    .command('cache')
    .description(
      'The results that tasks with "cache: true" left, from which later ones with identical inputs are completed.',
    );
  jsonOption(connectOptions(cache.command('list').description('Those that were used last come first.')))
    .option('--limit <n>', 'so many of them', count, 50)
    .action(async (options: ListOptions) => done(await list(options, io)));
  jsonOption(
    connectOptions(
      cache
        .command('clear [key...]')
        .description(
          'Forgets those with these keys (the digits that the list shows will do), or those that meet every option. Sessions keep what they have.',
        ),
    ),
  )
    .option('--session <id>', 'made in this session')
    .option('--task <id>', 'made by tasks of this id')
    .option('--unused <duration>', 'not used for so long, such as 7d', durationOf)
    .option('--all', 'all of them', false)
    .action(async (keys: string[], options: ClearOptions) => done(await clear(keys, options, io)));
}

function durationOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined)
    throw new CoordinatorError('config', `"${text}" is not a duration such as 12h or 90m`);
  return ms;
}

function list({limit, ...options}: ListOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const listed = await client.request('mcpx.cache.list', {limit});
    answer(io, options, listed, listText(listed, systemClock.wallNow()));
    return EXIT.ok;
  });
}

function listText({results, count: kept, bytes, maxCount, maxBytes}: CacheListed, now: number): string {
  if (maxCount === 0) return 'This coordinator keeps no results: its setting cacheResults is 0.\n';
  const head = `${kept} of at most ${maxCount} results, ${megabytes(bytes)} of ${megabytes(maxBytes)} MB`;
  const lines = results.map(({key, taskId, attemptId, sessionName, uses, usedAt, costUsd, activeMs}) => {
    const cost = costUsd > 0 ? `, $${costUsd.toFixed(4)}` : '';
    const took = activeMs === undefined ? '' : ` ${formatDuration(activeMs)}${cost}`;
    const used = `used ${uses} times, last ${formatDuration(Math.max(0, now - usedAt))} ago`;
    return `  ${key.slice(0, SHOWN_DIGITS)}  ${taskId}${took}  by ${attemptId} (${printable(sessionName)}), ${used}`;
  });
  if (kept > results.length) lines.push(`  and ${kept - results.length} more`);
  return [head, ...lines].map(line => `${line}\n`).join('');
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

function clear(keys: readonly string[], options: ClearOptions, io: CommandIo): Promise<number> {
  const {session, task, unused, all} = options;
  const narrowed = keys.length > 0 || session !== undefined || task !== undefined || unused !== undefined;
  if (all === narrowed)
    throw new CoordinatorError('config', 'say which results to forget: keys, options, or --all alone');
  return withClient(options, io, silentLogger, async client => {
    const request: CacheClear = {sessionId: session, taskId: task, unusedMs: unused};
    if (keys.length > 0) {
      const {results} = await client.request('mcpx.cache.list', {limit: 1000});
      request.keys = keys.map(given => wholeKey(given, results));
    }
    const {forgotten, bytes} = await client.request('mcpx.cache.clear', request);
    answer(io, options, {forgotten, bytes}, `${forgotten} results are forgotten, ${megabytes(bytes)} MB.\n`);
    return EXIT.ok;
  });
}

/** A whole digest is taken as it is: the list shows the first ones only. */
function wholeKey(given: string, results: CacheListed['results']): string {
  if (/^[0-9a-f]{64}$/.test(given)) return given;
  const found = results.filter(({key}) => key.startsWith(given));
  const [only] = found;
  if (found.length === 1 && only) return only.key;
  throw new CoordinatorError(
    found.length === 0 ? 'notFound' : 'conflict',
    found.length === 0 ? `no result has a key that begins with "${given}"` : `"${given}" begins several keys`,
    {hint: '"mcpx cache list --json" shows whole keys.'},
  );
}

/** `mcpx memory conflicts|resolve|policy`: what waits for a person's decision, the decision, and the rules that make most of them needless. */
import type {McpxClient} from '../../client/mcpxClient.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {MemoryPolicy, MemoryResolve} from '../../protocol/commands/memory.ts';
import {isProtocolError, type ProtocolError} from '../../protocol/errors.ts';
import type {ConflictRule} from '../../protocol/model/conflictStrategy.ts';
import type {ConflictSide, MemoryConflictRecord} from '../../protocol/model/memory.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {snapshotRows, withClient} from '../local/connect.ts';
import {requireSession} from '../sessions/sessionRows.ts';
import {jsonOrText, type MemoryOptions, preview, timeOf, whole} from './memoryOptions.ts';

export function showConflicts(options: MemoryOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {session} = options;
    const sessionId = session === undefined ? undefined : (await requireSession(client, session)).id;
    const conflicts = (await listConflicts(client)).filter(
      conflict => sessionId === undefined || conflict.sessionId === sessionId,
    );
    const text = conflicts.map(conflictText).join('');
    answer(io, options, {conflicts}, text === '' ? 'No conflicts.\n' : text);
    return EXIT.ok;
  });
}

export interface ResolveOptions extends MemoryOptions {
  readonly mine?: boolean;
  readonly theirs?: boolean;
  readonly value?: string;
  readonly ifVersion?: string;
}

/** A beginning of the id is enough where there is only one. */
export function resolveConflict(id: string, options: ResolveOptions, io: CommandIo): Promise<number> {
  const choice = choiceOf(options);
  const named = whole(options.ifVersion, 'version');
  return withClient(options, io, silentLogger, async client => {
    const found = (await listConflicts(client)).filter(conflict => conflict.id.startsWith(id));
    const [conflict] = found;
    if (!conflict || found.length > 1)
      throw new CoordinatorError(
        'notFound',
        conflict ? `"${id}" is the beginning of ${found.length} conflicts` : `there is no conflict "${id}"`,
        {hint: 'mcpx memory conflicts lists them. Somebody may have resolved it.'},
      );
    const {sessionId, key} = conflict;
    // Whoever keeps what is there keeps it whatever it is.
    const ifVersion = named ?? (choice.kind === 'theirs' ? undefined : conflict.theirs.version);
    const result = await client
      .request('mcpx.memory.resolve', {sessionId, conflictId: conflict.id, choice, ifVersion})
      .catch((error: unknown) => {
        throw isProtocolError(error, 'conflict') ? writtenSince(error, sessionId, key) : error;
      });
    const text = `${sessionId}/${key} has ${result.version === 0 ? 'no value' : `version ${result.version}`}\n`;
    answer(io, options, {session: sessionId, key, conflict: conflict.id, ...result}, text);
    return EXIT.ok;
  });
}

export function changePolicy(change: MemoryPolicy, options: MemoryOptions, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const {rules} = await client.request('mcpx.memory.policy', change);
    const text = rules.map(ruleLine).join('');
    const none = 'No rules: JSON is merged member by member, and a person decides about the rest.\n';
    answer(io, options, {rules}, text === '' ? none : text);
    return EXIT.ok;
  });
}

function writtenSince(cause: ProtocolError, sessionId: string, key: string): CoordinatorError {
  return new CoordinatorError(
    'conflict',
    `${cause.message}, not the one of the conflict: nothing was changed`,
    {
      hint: `mcpx memory get ${key} --session ${sessionId} shows what it is now; --if-version N decides over that version.`,
      cause,
    },
  );
}

/** Oldest first. */
async function listConflicts(client: McpxClient): Promise<MemoryConflictRecord[]> {
  const rows = await snapshotRows(client, {view: 'conflicts'});
  return rows
    .flatMap(row => (row.kind === 'conflict' ? [row.conflict] : []))
    .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
}

function choiceOf({mine, theirs, value}: ResolveOptions): MemoryResolve['choice'] {
  if (mine) return {kind: 'mine'};
  if (theirs) return {kind: 'theirs'};
  if (value !== undefined) return {kind: 'value', value: jsonOrText(value)};
  throw new CoordinatorError('config', 'say what the value is to be: --mine, --theirs or --value JSON');
}

function conflictText(conflict: MemoryConflictRecord): string {
  const {id, sessionId, key, reason, at, agentId, mine, theirs} = conflict;
  const why = reason === 'concurrent' ? 'concurrent' : 'written by an attempt that had been given up';
  return [
    `${id}  ${sessionId}/${key}  ${timeOf(at)}  ${why}`,
    `    mine    ${side(mine)}  (${mine.attemptId ?? agentId})`,
    `    theirs  ${side(theirs)}  (${theirs.attemptId ?? (theirs.principal || 'nobody')})`,
    '',
  ].join('\n');
}

function side({value, omitted, revision}: ConflictSide): string {
  return omitted ? `(large: --at ${revision})` : preview(value);
}

function ruleLine({prefix, sessionId, strategy, merge, otherwise}: ConflictRule): string {
  const where = `${prefix === '' ? '(every key)' : `${prefix}*`}${sessionId === undefined ? '' : ` of ${sessionId}`}`;
  const what = merge === undefined ? strategy : `${strategy} (${merge})`;
  return `${where}  ${what}${otherwise === undefined ? '' : `, otherwise ${otherwise}`}\n`;
}

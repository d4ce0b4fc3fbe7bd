/** `mcpx memory`: a session's shared memory, read and written by a person: its keys, their past, and the conflicts that wait for a decision. */
import {Argument, type Command, Option} from 'commander';
import {CONFLICT_STRATEGIES, type ConflictRule} from '../protocol/model/conflictStrategy.ts';
import {jsonOption} from './answer.ts';
import type {CommandIo} from './io.ts';
import {connectOptions, milliseconds} from './local/options.ts';
import {changePolicy, resolveConflict, showConflicts} from './memory/conflicts.ts';
import {showKeyHistory, watchMemory} from './memory/past.ts';
import {deleteValue, getValue, listValues, putValue} from './memory/values.ts';

export function addMemoryCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const memory = program
    .command('memory')
    .description("A session's shared memory: its keys, their past, and conflicts.");
  const verb = (parent: Command, name: string, description: string): Command =>
    jsonOption(connectOptions(parent.command(name).description(description)));
  const ofSession = (name: string, description: string): Command =>
    verb(memory, name, description).option(
      '--session <id>',
      'the session whose memory it is; `last`: the newest; default: MCPX_SESSION_ID',
    );

  ofSession('get <key>', 'Prints the value as JSON; exit code 1 when there is none.')
    .addOption(
      new Option('--level <level>', 'how new it has to be').choices(['strong', 'eventual']).default('strong'),
    )
    .option('--at <revision>', 'as it was at this revision')
    .action(async (key: string, options) => done(await getValue(key, options, io)));
  ofSession('put <key> <value>', 'Writes a value: JSON, or text when it is not JSON.')
    .option('--if-version <n>', 'only when the key has this version; 0: only when it is new')
    .option('--ttl <ms>', 'the value ends this long after the write', milliseconds)
    .action(async (key: string, text: string, options) => done(await putValue(key, text, options, io)));
  ofSession('delete <key>', 'Deletes a key; exit code 1 when there is none.')
    .option('--if-version <n>', 'only when the key has this version')
    .action(async (key: string, options) => done(await deleteValue(key, options, io)));
  ofSession('list [pattern]', 'Lists keys, such as those of api/* or of **/shape.')
    .option('--at <revision>', 'as they were at this revision')
    .action(async (pattern: string | undefined, options) => done(await listValues(pattern, options, io)));
  ofSession('watch [pattern]', 'Prints every change, a line each, until it is interrupted.')
    .option('--count <n>', 'end after so many changes')
    .action(async (pattern: string | undefined, options) => done(await watchMemory(pattern, options, io)));
  ofSession('history <key>', 'Lists the versions that a key had, newest first.')
    .option('--limit <n>', 'versions at most', '50')
    .action(async (key: string, options) => done(await showKeyHistory(key, options, io)));

  verb(memory, 'conflicts', 'Lists writes that could not be reconciled, of all sessions or one.')
    .option('--session <id>', 'only of this session')
    .action(async options => done(await showConflicts(options, io)));
  verb(memory, 'resolve <conflict>', 'Decides a conflict: for one side, or for a third value.')
    .addOption(new Option('--mine', 'what was written while cut off').conflicts(['theirs', 'value']))
    .addOption(new Option('--theirs', 'what the key has').conflicts(['value']))
    .option('--value <value>', 'JSON, or text when it is not JSON')
    .option(
      '--if-version <n>',
      'only when the key has this version; default: the one that the conflict shows',
    )
    .action(async (id: string, options) => done(await resolveConflict(id, options, io)));

  const policy = memory
    .command('policy')
    .description('How concurrent writes are reconciled, by the beginning of the key.');
  const strategy = new Argument('<strategy>', 'what decides').choices([...CONFLICT_STRATEGIES]);
  verb(policy, 'list', 'Lists the rules.').action(async options => done(await changePolicy({}, options, io)));
  verb(policy, 'set <prefix>', 'Sets the rule of keys that begin with the prefix; "" is every key.')
    .addArgument(strategy)
    .option('--merge <name>', 'of the strategy merge: json, counter, set, text, or one of the coordinator')
    .addOption(
      new Option('--otherwise <strategy>', 'what decides where that cannot').choices([
        'last-writer-wins',
        'manual',
      ]),
    )
    .option('--session <id>', 'only in this session')
    .action(async (prefix: string, name: ConflictRule['strategy'], options) => {
      const {merge, otherwise, session: sessionId} = options;
      done(await changePolicy({set: {prefix, strategy: name, merge, otherwise, sessionId}}, options, io));
    });
  verb(policy, 'unset <prefix>', 'Removes a rule.')
    .option('--session <id>', 'the one of this session')
    .action(async (prefix: string, options) =>
      done(await changePolicy({remove: {prefix, sessionId: options.session}}, options, io)),
    );
}

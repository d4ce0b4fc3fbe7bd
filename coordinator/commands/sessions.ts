/** `mcpx sessions`: what ran and runs; cancel, resume, and taking a result home. */
import type {Command} from 'commander';
import {silentLogger} from '../observability/logger.ts';
import {systemClock} from '../runtime/clock.ts';
import {CoordinatorError} from '../runtime/errors.ts';
import {type CommandIo, EXIT} from './io.ts';
import {type ConnectOptions, snapshotRows, withClient} from './local/connect.ts';
import {connectOptions, count} from './local/options.ts';
import {finalLine} from './report/finalLine.ts';
import {summary} from './report/summary.ts';
import {formatDollars, terminalColors, wantsColors} from './report/terminalText.ts';
import {type HistoryOptions, showHistory} from './sessions/history.ts';
import {acceptSession, fetchSession, openPullRequest, pushSession} from './sessions/resultVerbs.ts';
import {resumeSession} from './sessions/resume.ts';
import {planOf} from './sessions/sessionPlan.ts';
import {listSessions, requireSession, sessionReport} from './sessions/sessionRows.ts';

export function addSessionCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const sessions = program
    .command('sessions')
    .description('Sessions: list, show, cancel, resume, and take the result home.');

  connectOptions(sessions.command('list').description('Sessions, newest first.'))
    .option('--json', 'one JSON object a line', false)
    .action(async (options: ConnectOptions & {json: boolean}) => done(await list(options, io)));

  connectOptions(
    sessions.command('show <session>').description('One session: tasks, attempts, gates, refused effects.'),
  )
    .option('--json', 'as the last line of mcpx run --json', false)
    .action(async (id: string, options: ConnectOptions & {json: boolean}) =>
      done(await show(id, options, io)),
    );

  connectOptions(
    sessions
      .command('history <session>')
      .description('What changed in it and when; with --at, what its tasks were like then.'),
  )
    .option('--at <revision>', 'show the tasks as they were at this revision')
    .option('--json', 'marks or rows as JSON', false)
    .action(async (id: string, options: HistoryOptions) => done(await showHistory(id, options, io)));

  connectOptions(
    sessions
      .command('budget <session> <usd>')
      .description('Sets what the session may spend in all; one that was paused by its budget goes on.'),
  ).action(async (id: string, usd: string, options: ConnectOptions) =>
    done(await setBudget(id, usd, options, io)),
  );

  connectOptions(sessions.command('cancel <session>').description('Stops its attempts and ends it.')).action(
    async (id: string, options: ConnectOptions) =>
      done(
        await withClient(options, io, silentLogger, async client => {
          const session = await requireSession(client, id);
          const ended = await client.request('mcpx.orchestrate.session.end', {
            sessionId: session.id,
            mode: 'cancel',
            reason: 'cancelled by its owner',
          });
          io.stdout(`${session.id}: ${ended.session.state}\n`);
          return EXIT.ok;
        }),
      ),
  );

  connectOptions(
    sessions
      .command('release <session>')
      .description(
        'Lets the agents delete the worktrees that they kept of it: those of failed tasks, or all with --keep.',
      ),
  ).action(async (id: string, options: ConnectOptions) =>
    done(
      await withClient(options, io, silentLogger, async client => {
        const session = await requireSession(client, id);
        await client.request('mcpx.session.control', {sessionId: session.id, action: {kind: 'release'}});
        io.stdout(`${session.id}: its worktrees go as soon as their agents are there\n`);
        return EXIT.ok;
      }),
    ),
  );

  connectOptions(
    sessions
      .command('resume <session>')
      .description(
        'Goes on with a session that was left or failed, with agents on this machine, and follows it to its end.',
      ),
  )
    .option('--agents <n>', 'agents to start here', count)
    .option('--slots <n>', 'attempts that one of these agents runs at once', count, 2)
    .option('--rehearse <plan>', 'for a rehearsal: the plan file whose script is played')
    .action(
      async (id: string, options: ConnectOptions & {agents?: number; slots: number; rehearse?: string}) =>
        done(await resumeSession(id, options, io)),
    );

  connectOptions(
    sessions
      .command('fetch <session>')
      .description('Brings the result branch mcpx/SESSION into the repository of this folder.'),
  ).action(async (id: string, options: ConnectOptions) => done(await fetchSession(id, options, io)));

  connectOptions(
    sessions
      .command('accept <session>')
      .description('Takes the result into the branch that is checked out here, in your name.'),
  )
    .option('--merge', 'a merge commit; default: one squashed commit', false)
    .option('--message <text>', 'commit message')
    .action(async (id: string, options: ConnectOptions & {merge: boolean; message?: string}) =>
      done(await acceptSession(id, options, io)),
    );

  connectOptions(sessions.command('push <session>').description('Pushes the result branch.'))
    .option('--remote <name>', 'default: the one that the current branch follows')
    .action(async (id: string, options: ConnectOptions & {remote?: string}) =>
      done(await pushSession(id, options, io)),
    );

  connectOptions(
    sessions
      .command('pr <session>')
      .description('Pushes the result branch and opens a pull request, by gh or by a link.'),
  )
    .option('--remote <name>', 'default: the one that the current branch follows')
    .option('--base <branch>', "branch to merge into; default: the remote's own")
    .option('--title <text>', "default: the plan's name")
    .action(async (id: string, options: ConnectOptions & {remote?: string; base?: string; title?: string}) =>
      done(await openPullRequest(id, options, io)),
    );
}

function list(options: ConnectOptions & {json: boolean}, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async client => {
    const sessions = await listSessions(client);
    for (const session of sessions) {
      const {counts} = session;
      if (options.json) io.stdout(`${JSON.stringify(session)}\n`);
      else
        io.stdout(
          `${session.id}  ${session.state.padEnd(9)}  ${counts.succeeded}/${counts.total}  ${formatDollars(session.spentUsd)}  ${new Date(session.createdAt).toISOString().slice(0, 16)}  ${session.name}${session.rehearsal ? ' (rehearsal)' : ''}\n`,
        );
    }
    if (sessions.length === 0 && !options.json) io.stdout('No sessions.\n');
    return EXIT.ok;
  });
}

function show(id: string, options: ConnectOptions & {json: boolean}, io: CommandIo): Promise<number> {
  return withClient(options, io, silentLogger, async (client, target) => {
    const session = await requireSession(client, id);
    const rows = [
      ...(await snapshotRows(client, {view: 'session', sessionId: session.id})),
      ...(await snapshotRows(client, {view: 'approvals', sessionId: session.id})),
      ...(await snapshotRows(client, {view: 'agents'})),
    ];
    const report = sessionReport(rows, session.id, await planOf(session, target));
    const wallNow = systemClock.wallNow();
    if (options.json) io.stdout(`${finalLine(report, wallNow)}\n`);
    else
      io.stdout(
        `${summary(report, {wallNow, columns: io.columns, colors: terminalColors(wantsColors(io.env, io.interactive))})}\n`,
      );
    return EXIT.ok;
  });
}

function setBudget(id: string, usd: string, options: ConnectOptions, io: CommandIo): Promise<number> {
  const budgetUsd = Number(usd);
  if (!(budgetUsd > 0)) throw new CoordinatorError('config', `"${usd}" is not an amount of dollars`);
  return withClient(options, io, silentLogger, async client => {
    const {id: sessionId} = await requireSession(client, id);
    const {session} = await client.request('mcpx.session.control', {
      sessionId,
      action: {kind: 'budget', budgetUsd},
    });
    io.stdout(
      `${session.id}: ${session.state}, ${formatDollars(session.spentUsd)} of ${formatDollars(budgetUsd)} spent\n`,
    );
    return EXIT.ok;
  });
}

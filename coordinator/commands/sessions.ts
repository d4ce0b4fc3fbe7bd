/** `mcpx sessions`: what ran and runs; cancel, resume, steer its tasks and where they run, and taking a result home. */
import type {Command} from 'commander';
import {type JsonOption, jsonOption} from './answer.ts';
import type {CommandIo} from './io.ts';
import type {ConnectOptions} from './local/connect.ts';
import {connectOptions, count} from './local/options.ts';
import {addSessionModeVerb} from './mode.ts';
import {addBalanceVerbs} from './sessions/balanceVerbs.ts';
import {cancelSession, closeSession, releaseSession, setBudget} from './sessions/controlVerbs.ts';
import {type HistoryOptions, showHistory} from './sessions/history.ts';
import {type ShowOptions, showSession, showSessions} from './sessions/listVerbs.ts';
import {
  type AcceptOptions,
  acceptSession,
  fetchSession,
  openPullRequest,
  type PullRequestOptions,
  type PushOptions,
  pushSession,
} from './sessions/resultVerbs.ts';
import {type ResumeOptions, resumeSession} from './sessions/resume.ts';
import {addTaskVerbs} from './sessions/taskVerbs.ts';

type Options = ConnectOptions & JsonOption;

export function addSessionCommands(program: Command, io: CommandIo, done: (exit: number) => void): void {
  const sessions = program
    .command('sessions')
    .description('Sessions: list, show, cancel, resume, and take the result home.');
  const verb = (name: string, description: string): Command =>
    jsonOption(connectOptions(sessions.command(name).description(description)));

  verb('list', 'Sessions, newest first; --json says too whether a process here runs agents for each.').action(
    async (options: Options) => done(await showSessions(options, io)),
  );
  verb('show <session>', 'One session: tasks, attempts, gates, refused effects.')
    .option('--junit <file>', 'write a JUnit report as well')
    .action(async (id: string, options: ShowOptions) => done(await showSession(id, options, io)));
  verb('history <session>', 'What changed in it and when; with --at, what its tasks were like then.')
    .option('--at <revision>', 'show the tasks as they were at this revision')
    .action(async (id: string, options: HistoryOptions) => done(await showHistory(id, options, io)));
  verb(
    'budget <session> <usd>',
    'Sets what the session may spend in all; one that was paused by its budget goes on.',
  ).action(async (id: string, usd: string, options: Options) => done(await setBudget(id, usd, options, io)));
  verb('cancel <session>', 'Stops its attempts and ends it.').action(async (id: string, options: Options) =>
    done(await cancelSession(id, options, io)),
  );
  verb(
    'close <session>',
    'Adds no more tasks to a session that was started open: it ends once those that it has have ended.',
  ).action(async (id: string, options: Options) => done(await closeSession(id, options, io)));
  verb(
    'release <session>',
    'Lets the agents delete the worktrees that they kept of it: those of failed tasks, or all with --keep.',
  ).action(async (id: string, options: Options) => done(await releaseSession(id, options, io)));
  verb(
    'resume <session>',
    'Goes on with a session that was left or failed, with agents on this machine, and follows it to its end.',
  )
    .option('--agents <n>', 'agents to start here', count)
    .option('--slots <n>', 'attempts that one of these agents runs at once; default: as before', count)
    .option('--rehearse <plan>', 'for a rehearsal: the plan file whose script is played; default: as before')
    .option('--background', 'return once it goes on, in a process of its own', false)
    .action(async (id: string, options: ResumeOptions) => done(await resumeSession(id, options, io)));

  addTaskVerbs(sessions, io, done);
  addBalanceVerbs(sessions, io, done);
  addSessionModeVerb(sessions, io, done);

  verb('fetch <session>', 'Brings the result branch mcpx/SESSION into the repository of this folder.').action(
    async (id: string, options: Options) => done(await fetchSession(id, options, io)),
  );
  verb('accept <session>', 'Takes the result into the branch that is checked out here, in your name.')
    .option('--merge', 'a merge commit; default: one squashed commit', false)
    .option('--message <text>', 'commit message')
    .action(async (id: string, options: AcceptOptions) => done(await acceptSession(id, options, io)));
  verb('push <session>', 'Pushes the result branch.')
    .option('--remote <name>', 'default: the one that the current branch follows')
    .action(async (id: string, options: PushOptions) => done(await pushSession(id, options, io)));
  verb('pr <session>', 'Pushes the result branch and opens a pull request, by gh or by a link.')
    .option('--remote <name>', 'default: the one that the current branch follows')
    .option('--base <branch>', "branch to merge into; default: the remote's own")
    .option('--title <text>', "default: the plan's name")
    .action(async (id: string, options: PullRequestOptions) => done(await openPullRequest(id, options, io)));
}

/** A session's result in the person's repository: fetched, accepted, pushed, offered as a pull request. */
import {tmpdir} from 'node:os';
import type {McpxClient} from '../../client/mcpxClient.ts';
import type {SessionReport} from '../../client/report/sessionReport.ts';
import {acceptResult} from '../../client/repository/acceptResult.ts';
import {LocalRepository} from '../../client/repository/localRepository.ts';
import {programRunner, pullRequest, pushResult} from '../../client/repository/publishResult.ts';
import {silentLogger} from '../../observability/logger.ts';
import type {SessionRecord} from '../../protocol/model/session.ts';
import {CoordinatorError} from '../../runtime/errors.ts';
import {answer, type JsonOption} from '../answer.ts';
import {type CommandIo, EXIT} from '../io.ts';
import {
  artifactClient,
  type ConnectOptions,
  snapshotRows,
  type Target,
  withClient,
} from '../local/connect.ts';
import {formatDollars} from '../report/terminalText.ts';
import {bringResult} from '../run/bringResult.ts';
import {planOf} from './sessionPlan.ts';
import {requireSession, sessionReport} from './sessionRows.ts';

export type FetchOptions = ConnectOptions & JsonOption;
export type AcceptOptions = FetchOptions & {readonly merge: boolean; readonly message?: string};
export type PushOptions = FetchOptions & {readonly remote?: string};
export type PullRequestOptions = PushOptions & {readonly base?: string; readonly title?: string};

interface FetchedSession {
  readonly session: SessionRecord;
  readonly branch: string;
  readonly repository: LocalRepository;
  /** Markdown: what was done, by whom, what it cost. */
  readonly body: string;
}

export function fetchSession(id: string, options: FetchOptions, io: CommandIo): Promise<number> {
  return withResult(id, options, io, async ({session, branch}) => {
    answer(io, options, {session: session.id, branch, commit: session.result?.commit}, `${branch}\n`);
    return EXIT.ok;
  });
}

export function acceptSession(id: string, options: AcceptOptions, io: CommandIo): Promise<number> {
  return withResult(id, options, io, async ({session, branch, repository, body}) => {
    const message = options.message ?? `${session.name}\n\n${body}`;
    const accepted = await acceptResult(repository, {
      result: branch,
      mode: options.merge ? 'merge' : 'squash',
      message,
    });
    const about = {session: session.id, branch};
    switch (accepted.kind) {
      case 'accepted':
        answer(io, options, {...about, ...accepted}, `Accepted as ${accepted.commit.slice(0, 10)}.\n`);
        return EXIT.ok;
      case 'nothing':
        answer(io, options, {...about, ...accepted}, 'Nothing to accept: your branch has all of it.\n');
        return EXIT.ok;
      case 'dirty':
        throw new CoordinatorError(
          'conflict',
          `your checkout has uncommitted work: ${some(accepted.paths)}`,
          {hint: 'Commit or stash it, then accept again. Nothing was changed.'},
        );
      case 'busy':
        throw new CoordinatorError('conflict', `a ${accepted.operation} is under way in your checkout`, {
          hint: 'Finish or abort it first. Nothing was changed.',
        });
      case 'conflict':
        throw new CoordinatorError(
          'conflict',
          `the result conflicts with your branch in ${some(accepted.paths)}`,
          {hint: `Merge ${branch} yourself: git merge ${branch}. Nothing was changed.`},
        );
      case 'refused':
        throw new CoordinatorError('git', `git refused the commit:\n${accepted.message}`, {
          hint: 'Nothing was changed.',
        });
    }
  });
}

export function pushSession(id: string, options: PushOptions, io: CommandIo): Promise<number> {
  return withResult(id, options, io, async result => {
    const {remote, url} = await push(result, options.remote, io);
    answer(io, options, {session: result.session.id, branch: result.branch, remote, url}, '');
    return EXIT.ok;
  });
}

export function openPullRequest(id: string, options: PullRequestOptions, io: CommandIo): Promise<number> {
  return withResult(id, options, io, async result => {
    await push(result, options.remote, io);
    const {session, branch, repository, body} = result;
    const opened = await pullRequest(
      repository,
      {branch, title: options.title ?? session.name, body, base: options.base, remote: options.remote},
      programRunner(io.env),
    );
    if (opened.kind === 'unavailable')
      throw new CoordinatorError('git', `no pull request could be opened: ${opened.reason}`, {
        hint: `The branch ${branch} is pushed.`,
      });
    if (opened.kind === 'link') io.stderr(`${opened.reason}. Open this page:\n`);
    answer(io, options, {session: session.id, branch, ...opened}, `${opened.url}\n`);
    return EXIT.ok;
  });
}

async function push(
  {repository, branch}: FetchedSession,
  remote: string | undefined,
  io: CommandIo,
): Promise<{remote: string; url: string}> {
  const pushed = await pushResult(repository, branch, remote);
  if (pushed.kind === 'noRemote')
    throw new CoordinatorError('git', 'this repository has no remote to push to', {
      hint: 'git remote add origin URL',
    });
  if (pushed.kind === 'refused')
    throw new CoordinatorError('git', `${pushed.remote} refused the push:\n${pushed.message}`);
  io.stderr(`Pushed ${pushed.branch} to ${pushed.url}\n`);
  return {remote: pushed.remote, url: pushed.url};
}

function withResult(
  id: string,
  options: ConnectOptions,
  io: CommandIo,
  work: (result: FetchedSession) => Promise<number>,
): Promise<number> {
  return withClient(options, io, silentLogger, async (client, target) =>
    work(await fetchInto(client, target, id, io)),
  );
}

async function fetchInto(
  client: McpxClient,
  target: Target,
  id: string,
  io: CommandIo,
): Promise<FetchedSession> {
  const session = await requireSession(client, id);
  if (!session.result)
    throw new CoordinatorError('notFound', `session ${session.id} has no result: it is ${session.state}`);
  const repository = await LocalRepository.open(io.cwd, {env: io.env, temporaryFolder: tmpdir()});
  const artifacts = artifactClient(target, silentLogger);
  try {
    await bringResult(session, repository, artifacts, silentLogger);
  } finally {
    artifacts.dispose();
  }
  const rows = await snapshotRows(client, {view: 'session', sessionId: session.id});
  return {
    session,
    branch: session.result.branch,
    repository,
    body: describe(sessionReport(rows, session.id, await planOf(session, target))),
  };
}

function describe({session, tasks}: SessionReport): string {
  const lines = tasks.map(({record, title, attempts}) => {
    const gates = record.gates?.length
      ? `, ${record.gates.filter(gate => gate.passed).length}/${record.gates.length} gates passed`
      : '';
    const tries = attempts.length > 1 ? `, ${attempts.length} attempts` : '';
    return `- ${record.id}${title ? ` (${title})` : ''}: ${record.state}${gates}${tries}`;
  });
  const cost = session.rehearsal
    ? 'A rehearsal: no model was called.'
    : `Cost: ${formatDollars(session.spentUsd)}.`;
  return [...lines, '', `${cost} MCPX session ${session.id}.`].join('\n');
}

function some(paths: readonly string[]): string {
  return paths.length > 5 ? `${paths.slice(0, 5).join(', ')} and ${paths.length - 5} more` : paths.join(', ');
}

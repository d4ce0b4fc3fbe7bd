/** Commands that take a session's result home: into the branch that is checked out, to a remote, into a pull request, into a report. */
import * as vscode from 'vscode';
import * as z from 'zod';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {towards} from '../connection/towards.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import {requireTrust} from '../trust.ts';
import {given, pickOne, sayAndStop, workingLong} from './asking.ts';
import {chooseSession} from './choosing.ts';
import {registerCommands} from './register.ts';
import {writeReport} from './writeReport.ts';

const Accepted = z.discriminatedUnion('kind', [
  z.object({kind: z.literal('accepted'), commit: z.string()}),
  z.object({kind: z.literal('nothing')}),
]);
const Pushed = z.object({branch: z.string(), url: z.string()});
const Opened = z.object({kind: z.enum(['opened', 'link']), url: z.string()});

export function registerResultCommands(services: Services): void {
  registerCommands(services, {
    acceptResult: (argument, mode) => acceptResult(services, argument, mode),
    pushResult: argument => pushResult(services, argument),
    openPullRequest: argument => openPullRequest(services, argument),
    exportReport: (argument, file) => exportReport(services, argument, file),
  });
}

async function acceptResult(services: Services, argument: unknown, chosen: unknown): Promise<void> {
  const title = vscode.l10n.t('Accept Result');
  const session = await chooseWithResult(services, argument, title);
  const folder = await folderOf(session, title);
  const mode = chosen === 'squash' || chosen === 'merge' ? chosen : await modeOf(title);
  const flags = mode === 'merge' ? ['--merge'] : [];
  const accepted = await verb(services, vscode.l10n.t('Accepting {0}', session.name), {
    schema: Accepted,
    args: ['accept', session.id, ...flags],
    folder,
  });
  void vscode.window.showInformationMessage(
    accepted.kind === 'nothing'
      ? vscode.l10n.t('Nothing to accept: your branch has all of {0}.', session.name)
      : vscode.l10n.t('{0} is in your branch as {1}.', session.name, accepted.commit.slice(0, 10)),
  );
}

async function modeOf(title: string): Promise<'squash' | 'merge'> {
  const mode = setting('accept.mode');
  if (mode !== 'ask') return mode;
  const {t} = vscode.l10n;
  return pickOne<'squash' | 'merge'>(
    [
      {
        label: t('Squash'),
        description: t('one commit in your name, without the history of the session'),
        value: 'squash',
      },
      {label: t('Merge'), description: t('a merge commit, with the history of the session'), value: 'merge'},
    ],
    {title, none: ''},
  );
}

async function pushResult(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Push Result');
  const session = await chooseWithResult(services, argument, title);
  const {branch, url} = await verb(services, vscode.l10n.t('Pushing {0}', session.name), {
    schema: Pushed,
    args: ['push', session.id],
    folder: await folderOf(session, title),
  });
  void vscode.window.showInformationMessage(vscode.l10n.t('{0} is pushed to {1}.', branch, url));
}

async function openPullRequest(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Open Pull Request');
  const session = await chooseWithResult(services, argument, title);
  const {url} = await verb(services, vscode.l10n.t('Opening a pull request of {0}', session.name), {
    schema: Opened,
    args: ['pr', session.id],
    folder: await folderOf(session, title),
  });
  await vscode.env.openExternal(vscode.Uri.parse(url, true));
}

async function exportReport(services: Services, argument: unknown, chosen: unknown): Promise<void> {
  const session = await chooseSession(services, argument, {
    title: vscode.l10n.t('Export Report'),
    fits: () => true,
    none: vscode.l10n.t('There are no sessions.'),
  });
  const target = chosen instanceof vscode.Uri ? chosen : await askFile(session);
  await workingLong(vscode.l10n.t('Writing the report of {0}', session.name), signal =>
    writeReport(services, session, target, signal),
  );
  const open = vscode.l10n.t('Open');
  const message = vscode.l10n.t('The report of {0} is in {1}.', session.name, target.fsPath);
  void vscode.window.showInformationMessage(message, open).then(choice => {
    if (choice === open) void vscode.commands.executeCommand('vscode.open', target);
  });
}

async function askFile({id}: SessionRecord): Promise<vscode.Uri> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  return given(
    await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Export Report'),
      defaultUri: folder && vscode.Uri.joinPath(folder, `${id}.md`),
      filters: {Markdown: ['md'], JUnit: ['xml'], JSON: ['json']},
    }),
  );
}

function chooseWithResult(services: Services, argument: unknown, title: string): Promise<SessionRecord> {
  return chooseSession(services, argument, {
    title,
    fits: ({result}) => result !== undefined,
    none: vscode.l10n.t('No session has a result yet.'),
  });
}

/**
 * The repository that the result goes to: of several folders, the one that the session came from or that the person names. git runs in it with its
 * own configuration, which may name programs.
 */
async function folderOf({workspace}: SessionRecord, title: string): Promise<string> {
  await requireTrust(
    vscode.l10n.t('This folder is not trusted: git is not run in it. The result stays with the session.'),
  );
  const folders = vscode.workspace.workspaceFolders ?? [];
  const own = folders.find(({uri}) => uri.fsPath === workspace?.origin);
  if (own) return own.uri.fsPath;
  if (folders.length === 0)
    sayAndStop(vscode.l10n.t('Open the folder of the repository first: a result goes into its branch.'));
  if (folders.length === 1) return folders[0]?.uri.fsPath ?? '';
  const offers = folders.map(({name, uri}) => ({label: name, description: uri.fsPath, value: uri.fsPath}));
  return pickOne(offers, {title, placeHolder: vscode.l10n.t('Into which repository?'), none: ''});
}

/** `mcpx sessions …` in the person's repository, in their name. */
function verb<T extends z.ZodType>(
  {link, program}: Services,
  title: string,
  {schema, args, folder}: {schema: T; args: readonly string[]; folder: string},
): Promise<z.output<T>> {
  const {args: where, env} = towards(link);
  return workingLong(title, (signal, onLine) =>
    program.call(schema, ['sessions', ...args, ...where], {cwd: folder, env, signal, onLine}),
  );
}

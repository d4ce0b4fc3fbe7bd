/** Commands about one attempt: its transcript, and what is said to the Claude Code that works on it. */
import * as vscode from 'vscode';
import {AttemptControl} from '../../coordinator/protocol/commands/attempt.ts';
import type {Params} from '../../coordinator/protocol/commands/table.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {commandId} from '../contributions.ts';
import type {Services} from '../services.ts';
import {askText, type Offer, pickOne, working} from './asking.ts';
import {chooseAttempt} from './choosing.ts';
import {registerCommands} from './register.ts';
import {isUnfinished} from './sessionCommands.ts';

type AttemptAction = Params<'mcpx.attempt.control'>['action'];
type PermissionMode = Extract<AttemptAction, {kind: 'permissionMode'}>['mode'];

export function registerAttemptCommands(services: Services): void {
  registerCommands(services, {
    attach: argument => attach(services, argument),
    sendMessage: (argument, text) => sendMessage(services, argument, text),
    interrupt: argument => interrupt(services, argument),
    setModel: (argument, model) => setModel(services, argument, model),
    setPermissionMode: (argument, mode) => setPermissionMode(services, argument, mode),
  });
}

/** The live transcript: nothing is resumed or started here. */
async function attach(services: Services, argument: unknown): Promise<unknown> {
  const {id} = await chooseAttempt(services, argument, {
    title: vscode.l10n.t('Attach to Attempt'),
    fits: () => true,
    none: vscode.l10n.t('No attempt has begun yet.'),
  });
  return vscode.commands.executeCommand(commandId('openSession'), {kind: 'attempt', attemptId: id});
}

async function sendMessage(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Send Message');
  const attempt = await chooseRunning(services, argument, title);
  const text =
    typeof given === 'string'
      ? given
      : await askText({
          title: `${title}: ${attempt.taskId}`,
          prompt: vscode.l10n.t('What Claude Code on {0} reads next.', attempt.agentId),
          validateInput: value => (value.trim() === '' ? vscode.l10n.t('A message has words.') : undefined),
        });
  await control(services, attempt, {kind: 'message', text}, title);
}

async function interrupt(services: Services, argument: unknown): Promise<void> {
  const title = vscode.l10n.t('Interrupt');
  await control(services, await chooseRunning(services, argument, title), {kind: 'interrupt'}, title);
}

async function setModel(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Change Model');
  const attempt = await chooseRunning(services, argument, title);
  const model =
    typeof given === 'string'
      ? given
      : await askText({
          title: `${title}: ${attempt.taskId}`,
          prompt: vscode.l10n.t('A model as Claude Code names it, such as opus or sonnet.'),
          validateInput: value => (value.trim() === '' ? vscode.l10n.t('A model has a name.') : undefined),
        });
  await control(services, attempt, {kind: 'model', model: model.trim()}, title);
}

async function setPermissionMode(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Change Permission Mode');
  const attempt = await chooseRunning(services, argument, title);
  const named = AttemptControl.shape.action.safeParse({kind: 'permissionMode', mode: given});
  const action: AttemptAction = named.success
    ? named.data
    : {kind: 'permissionMode', mode: await pickOne(permissionModes(), {title, none: ''})};
  await control(services, attempt, action, title);
}

function permissionModes(): Offer<PermissionMode>[] {
  const {t} = vscode.l10n;
  return [
    {label: t('Ask'), description: t('whatever the plan does not allow waits for you'), value: 'ask'},
    {
      label: t('Accept edits'),
      description: t('files of the worktree are edited freely'),
      value: 'acceptEdits',
    },
    {label: t('Do not ask'), description: t('whatever the plan does not allow is refused'), value: 'dontAsk'},
    {label: t('Plan'), description: t('nothing is changed'), value: 'plan'},
    {label: t('Bypass'), description: t('everything is allowed'), value: 'bypass'},
  ];
}

function chooseRunning(services: Services, argument: unknown, title: string): Promise<AttemptRecord> {
  return chooseAttempt(services, argument, {
    title,
    fits: ({state}) => state === 'running',
    sessionFits: isUnfinished,
    none: vscode.l10n.t('No attempt is running.'),
  });
}

/** Passed on to the agent, whose answer is shown. */
async function control(
  {link}: Services,
  {id, agentId, taskId}: AttemptRecord,
  action: AttemptAction,
  title: string,
): Promise<void> {
  const {done, message} = await working(title, () =>
    link.requireClient().request('mcpx.attempt.control', {attemptId: id, action}),
  );
  const said = message ?? (done ? vscode.l10n.t('done') : vscode.l10n.t('not done'));
  const text = vscode.l10n.t('{0} on {1}: {2}', taskId, agentId, said);
  if (done) void vscode.window.showInformationMessage(text);
  else void vscode.window.showWarningMessage(text);
}

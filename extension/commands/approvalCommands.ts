/** A person's answers to what waits: permissions, questions and decisions. */
import * as vscode from 'vscode';
import * as z from 'zod';
import type {ApprovalAnswer} from '../../coordinator/protocol/approval.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {editJson} from '../documents/editJson.ts';
import type {Services} from '../services.ts';
import {askText, told, working} from './asking.ts';
import {askQuestions} from './askQuestions.ts';
import {chooseApproval} from './choosing.ts';
import {registerCommands} from './register.ts';
import {approvalText} from './words.ts';

const Answers = z.record(z.string(), z.string());

export function registerApprovalCommands(services: Services): void {
  registerCommands(services, {
    approve: argument => approve(services, argument, 'once'),
    approveForSession: argument => approve(services, argument, 'session'),
    approveEdited: argument => approveEdited(services, argument),
    deny: (argument, message) => deny(services, argument, message),
    answer: (argument, answers) => answer(services, argument, answers),
  });
}

async function approve(services: Services, argument: unknown, scope: 'once' | 'session'): Promise<void> {
  const kinds = scope === 'once' ? ['permission', 'decision'] : ['permission'];
  const approval = await chooseApproval(services, argument, {
    title: scope === 'once' ? vscode.l10n.t('Approve Once') : vscode.l10n.t('Approve for This Session'),
    fits: ({request}) => kinds.includes(request.kind),
    none: vscode.l10n.t('No permission waits for you.'),
  });
  if (approval.request.kind === 'question') return answer(services, argument, undefined);
  await reply(services, approval, {kind: 'allow', scope});
}

async function approveEdited(services: Services, argument: unknown): Promise<void> {
  const approval = await chooseApproval(services, argument, {
    title: vscode.l10n.t('Edit Input and Approve'),
    fits: ({request}) => request.kind === 'permission',
    none: vscode.l10n.t('No permission waits for you.'),
  });
  const {request, sessionId, id} = approval;
  if (request.kind !== 'permission')
    throw new CoordinatorError('conflict', vscode.l10n.t('only the input of a tool can be edited'));
  if (approval['shortened'] === true)
    throw new CoordinatorError(
      'limit',
      vscode.l10n.t(
        'the input of {0} is too large to be edited here: what you see of it is cut',
        request.tool,
      ),
      {hint: vscode.l10n.t('Approve it as it is, or deny it and say what you want instead.')},
    );
  const {fleet} = services;
  const edited = await editJson(request.input, {
    message: vscode.l10n.t('Edit what {0} is called with, then approve it.', request.tool),
    accept: vscode.l10n.t('Approve'),
    event: fleet.onChange,
    isOver: () =>
      fleet.mirror?.isWhole && !fleet.mirror.approval(sessionId, id)
        ? vscode.l10n.t('This does not wait any more: it was answered, or its attempt has ended.')
        : undefined,
  });
  await reply(services, approval, {kind: 'allow', scope: 'once', updatedInput: edited});
}

async function deny(services: Services, argument: unknown, given: unknown): Promise<void> {
  const title = vscode.l10n.t('Deny');
  const approval = await chooseApproval(services, argument, {
    title,
    fits: () => true,
    none: vscode.l10n.t('Nothing waits for you.'),
  });
  const message =
    typeof given === 'string'
      ? given
      : await askText({
          title: `${title}: ${approvalText(approval)}`,
          prompt: vscode.l10n.t('What Claude Code is told instead. It may stay empty.'),
        });
  await reply(services, approval, {kind: 'deny', message: message.trim() === '' ? undefined : message});
}

async function answer(services: Services, argument: unknown, given: unknown): Promise<void> {
  const approval = await chooseApproval(services, argument, {
    title: vscode.l10n.t('Answer Question'),
    fits: ({request}) => request.kind === 'question',
    none: vscode.l10n.t('No question waits for you.'),
  });
  const {request} = approval;
  if (request.kind !== 'question')
    throw new CoordinatorError('conflict', vscode.l10n.t('this is not a question'), {
      hint: vscode.l10n.t('Approve or deny it.'),
    });
  const named = Answers.safeParse(given);
  const answers = named.success ? named.data : await askQuestions(request.questions, approval.taskId);
  await reply(services, approval, {kind: 'answers', answers});
}

async function reply({link}: Services, approval: ApprovalRecord, given: ApprovalAnswer): Promise<void> {
  const {id, sessionId, taskId} = approval;
  await working(vscode.l10n.t('Answering {0}', taskId), () =>
    link.requireClient().request('mcpx.approval.answer', {sessionId, approvalId: id, answer: given}),
  );
  const words: Readonly<Record<ApprovalAnswer['kind'], string>> = {
    allow: vscode.l10n.t('allowed'),
    deny: vscode.l10n.t('denied'),
    answers: vscode.l10n.t('answered'),
  };
  told(`${taskId}: ${words[given.kind]}`);
}

/** The questions of a Claude Code, asked one after the other: of its options one or several, or what the person says instead. */
import * as vscode from 'vscode';
import type * as z from 'zod';
import type {QuestionRequest} from '../../coordinator/protocol/approval.ts';
import {askText, given} from './asking.ts';

type Question = z.infer<typeof QuestionRequest>['questions'][number];

interface Answer extends vscode.QuickPickItem {
  /** Undefined: in the person's own words. */
  readonly option: string | undefined;
}

/** By the text of the question. Several options are joined by commas, as Claude Code itself does. */
export async function askQuestions(
  questions: readonly Question[],
  taskId: string,
): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  for (const [index, question] of questions.entries()) {
    const place = questions.length > 1 ? ` (${index + 1}/${questions.length})` : '';
    answers[question.question] = await askQuestion(question, `${question.header ?? taskId}${place}`);
  }
  return answers;
}

async function askQuestion(question: Question, title: string): Promise<string> {
  const own = (): Promise<string> =>
    askText({
      title,
      prompt: question.question,
      validateInput: text => (text.trim() === '' ? vscode.l10n.t('An answer has words.') : undefined),
    });
  if (question.options.length === 0) return own();
  const offers: Answer[] = [
    ...question.options.map(({label, description}) => ({label, detail: description, option: label})),
    {label: vscode.l10n.t('In my own words…'), option: undefined, alwaysShow: true},
  ];
  const options = {title, placeHolder: question.question, matchOnDetail: true, ignoreFocusOut: true};
  const picked = question.multiSelect
    ? given(await vscode.window.showQuickPick(offers, {...options, canPickMany: true}))
    : [given(await vscode.window.showQuickPick(offers, options))];
  if (picked.length === 0) return askQuestion(question, title);
  const words = await Promise.all(picked.map(({option}) => option ?? own()));
  return words.join(', ');
}

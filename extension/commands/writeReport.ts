/** A session's report in a file: Markdown, JUnit or JSON by the file's extension. */
import path from 'node:path';
import * as vscode from 'vscode';
import * as z from 'zod';
import {readSession} from '../../coordinator/client/report/sessionReport.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import {towards} from '../connection/towards.ts';
import {reportMarkdown} from '../documents/reportMarkdown.ts';
import type {Services} from '../services.ts';
import {sessionRows} from './rows.ts';

export async function writeReport(
  services: Services,
  session: SessionRecord,
  target: vscode.Uri,
  signal: AbortSignal,
): Promise<void> {
  const {program, link} = services;
  const {args, env} = towards(link);
  const show = ['sessions', 'show', session.id, ...args];
  switch (path.extname(target.fsPath).toLowerCase()) {
    case '.xml':
      await program.call(z.looseObject({}), [...show, '--junit', target.fsPath], {env, signal});
      return;
    case '.json': {
      const report = await program.call(z.looseObject({}), show, {env, signal});
      return write(target, `${JSON.stringify(report, null, 2)}\n`);
    }
    default:
      return write(target, await markdown(services, session));
  }
}

async function markdown(services: Services, {id, plan}: SessionRecord): Promise<string> {
  const {rows} = await sessionRows(services, id);
  const report = readSession(rows, id, await services.fleet.plans.read(plan));
  if (!report) throw new CoordinatorError('notFound', vscode.l10n.t('there is no session {0}', id));
  return reportMarkdown(report, services.clock.wallNow());
}

async function write(target: vscode.Uri, text: string): Promise<void> {
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(text));
}

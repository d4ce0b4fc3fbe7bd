/** The editor's own words: its translations, its language, and the clock of this window. */
import * as vscode from 'vscode';
import type {Services} from '../services.ts';
import type {Words} from './model/words.ts';

export function editorWords({clock}: Pick<Services, 'clock'>): Words {
  return {
    t: (text, ...values) => vscode.l10n.t(text, ...values),
    now: () => clock.wallNow(),
    locale: vscode.env.language,
  };
}

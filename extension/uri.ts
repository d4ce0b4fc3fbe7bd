/** Links that offer a coordinator: `vscode://mcpx.mcpx/connect?url=…&pin=…`. Nothing happens before the person agrees, and no link carries a token. */
import * as vscode from 'vscode';
import {confirm} from './commands/asking.ts';
import {joinContext} from './commands/contextCommands.ts';
import {guarded} from './commands/register.ts';
import {parseJoinLink} from './joinLink.ts';
import type {Services} from './services.ts';

export async function followLink(services: Services, uri: vscode.Uri): Promise<void> {
  await guarded(services, 'link', () => follow(services, uri));
}

async function follow(services: Services, {path, query}: vscode.Uri): Promise<void> {
  const link = parseJoinLink(path, query);
  if (link.kind === 'refused') {
    const reasons: Readonly<Record<typeof link.reason, string>> = {
      path: vscode.l10n.t('This link asks for nothing that MCPX knows.'),
      url: vscode.l10n.t('This link has no ws:// or wss:// address of a coordinator.'),
      pin: vscode.l10n.t('The pin of this link is none: it begins with sha256:.'),
      token: vscode.l10n.t(
        'This link carries a token. Tokens in links are read by others: have a new one made.',
      ),
    };
    void vscode.window.showErrorMessage(reasons[link.reason]);
    return;
  }
  const {url, caPin} = link;
  await confirm(
    vscode.l10n.t('Connect to the coordinator at {0}?', url),
    caPin === undefined
      ? vscode.l10n.t(
          'A link asks for it. Whoever runs this coordinator sees what you send there. You are asked for a token next.',
        )
      : vscode.l10n.t(
          'A link asks for it, with the authority {0}. Whoever runs this coordinator sees what you send there. You are asked for a token next.',
          caPin,
        ),
    vscode.l10n.t('Connect'),
  );
  await joinContext(services, {url, caPin});
}

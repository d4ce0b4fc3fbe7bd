/** Logging in and out at MCP servers that want OAuth, by a browser. A bundle of its own, loaded when somebody does: see .config/build.mjs. */
import * as vscode from 'vscode';
import {logInAtServer} from '../../../coordinator/client/logins/logInAtServer.ts';
import type {Revocation} from '../../../coordinator/protocol/commands/server.ts';
import {isCoordinatorError} from '../../../coordinator/runtime/errors.ts';
import type {Services} from '../../services.ts';
import {confirm, told, working, workingLong} from '../asking.ts';

/** As text: a Uri would be encoded anew, and what is encoded within its values lost. The editor takes both. */
interface BrowserOpener {
  openExternal(target: vscode.Uri | string): Thenable<boolean>;
}

/** An authorization server is asked to end a login. */
const LOGOUT_MS = 60_000;

export async function logIn({link, clock, servers}: Services, name: string): Promise<void> {
  const client = link.requireClient();
  const {renewable} = await workingLong(vscode.l10n.t('Logging in at {0}', name), async (signal, tell) => {
    tell(vscode.l10n.t('asking where'));
    const goTo = async (url: string): Promise<void> => {
      tell(vscode.l10n.t('finish it in your browser, at {0}', new URL(url).host));
      await open(name, url);
    };
    try {
      return await logInAtServer({client, name, clock, signal, reachedAt, goTo});
    } catch (error) {
      signal.throwIfAborted();
      throw isCoordinatorError(error) ? inWords(error) : error;
    }
  });
  told(vscode.l10n.t('The hub is logged in at {0}', name));
  if (!renewable)
    void vscode.window.showInformationMessage(
      vscode.l10n.t('The login at {0} is not renewed: it has to be done again when it ends.', name),
    );
  await servers.refresh();
}

export async function logOut({link, servers}: Services, name: string): Promise<void> {
  await confirm(
    vscode.l10n.t('Log out at {0}?', name),
    vscode.l10n.t('Every agent and client of the coordinator uses it by this login, and is cut off.'),
    vscode.l10n.t('Log Out'),
  );
  const client = link.requireClient();
  const {revocation} = await working(vscode.l10n.t('Logging out at {0}', name), () =>
    client.request('mcpx.server.logout', {name}, {timeoutMs: LOGOUT_MS}),
  );
  tellRevocation(name, revocation);
  await servers.refresh();
}

/** What became of the tokens of a login that the hub has forgotten. */
export function tellRevocation(name: string, revocation: Revocation): void {
  switch (revocation.kind) {
    case 'revoked':
      told(vscode.l10n.t('The hub is no longer logged in at {0}', name));
      return;
    case 'notOffered':
      void vscode.window.showInformationMessage(
        vscode.l10n.t(
          'The hub is no longer logged in at {0}. {1} does not offer to revoke its tokens: they are forgotten here, and good until they end by themselves.',
          name,
          revocation.issuer,
        ),
      );
      return;
    case 'failed':
      void vscode.window.showWarningMessage(
        vscode.l10n.t(
          'The hub is no longer logged in at {0}. Its tokens are forgotten here, and could not be revoked at {1}: {2}. End them there, where it lists what has access.',
          name,
          revocation.issuer,
          revocation.reason,
        ),
      );
  }
}

/** The browser may be on another machine than this window's extensions: then a port is forwarded there, or an address given to this one. */
async function reachedAt(url: string): Promise<string> {
  const external = await vscode.env.asExternalUri(vscode.Uri.parse(url));
  const text = external.toString(true);
  const {protocol, hostname} = new URL(text);
  if (protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return text;
  throw new Error(
    vscode.l10n.t(
      'The browser could come back to this window over plain HTTP only, at {0}. Nothing was done. Open the window over https, or log in by "mcpx servers login" in a terminal on the machine of your browser.',
      text,
    ),
  );
}

async function open(name: string, url: string): Promise<void> {
  const opener: BrowserOpener = vscode.env;
  if (await opener.openExternal(url)) return;
  // Whoever copied the address in the editor's own question goes on too: it is waited for.
  const copy = vscode.l10n.t('Copy Address');
  const message = vscode.l10n.t('The page where you log in at {0} was not opened.', name);
  void vscode.window.showInformationMessage(message, copy).then(choice => {
    if (choice === copy) void vscode.env.clipboard.writeText(url);
  });
}

/** With what to do: outside this bundle nobody knows its errors. */
function inWords({code, message, hint}: {code: string; message: string; hint: string | undefined}): Error {
  const remedy =
    code === 'timeout' ? vscode.l10n.t('Log in again, and finish it on the page that opens.') : (hint ?? '');
  return new Error(`${message}. ${remedy}`.trim());
}

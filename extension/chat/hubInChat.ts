/**
 * The connected coordinator's hub as an MCP server of the editor's own chat. The editor knows an address; the token it gets when it starts the
 * server, after the person has agreed once. A bundle of its own, loaded when a chat asks: classes of errors are others here than in the window.
 */
import * as vscode from 'vscode';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Services} from '../services.ts';
import {setting} from '../settings.ts';
import {type HubOffer, hubOffer} from './hubOffer.ts';
import {HubRelay, type HubTarget} from './hubRelay.ts';

/** Of the token that the editor gets. It asks for another each time it starts the server. */
const TOKEN_SECONDS = 7 * 86_400;
/** Of the editor's memory on this host: whose hubs the person has agreed to. */
const AGREED_KEY = 'chat.agreedHubs';

export type NewToken = (options: {
  readonly ttlSeconds: number;
  readonly label: string;
}) => Promise<string | undefined>;

export class HubInChat
  implements vscode.McpServerDefinitionProvider<vscode.McpHttpServerDefinition>, Disposable
{
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new vscode.EventEmitter<void>());
  private shown: HubOffer | undefined;
  private relay: Promise<HubRelay> | undefined;

  readonly onDidChangeMcpServerDefinitions = this.changes.event;

  constructor(
    private readonly services: Pick<Services, 'context' | 'link' | 'logger' | 'random'>,
    /** Makes a token for another program of this person. */
    private readonly newToken: NewToken,
  ) {
    this.shown = this.look();
    this.lifetime.add(services.link.onState(() => this.follow()));
    this.lifetime.add(vscode.workspace.onDidGrantWorkspaceTrust(() => this.follow()));
    this.lifetime.add(
      vscode.workspace.onDidChangeConfiguration(change => {
        if (change.affectsConfiguration('mcpx.chat.offerHub')) this.follow();
      }),
    );
  }

  provideMcpServerDefinitions(): vscode.McpHttpServerDefinition[] {
    if (!this.shown) return [];
    const {label, url, version} = this.shown;
    return [new vscode.McpHttpServerDefinition(label, vscode.Uri.parse(url), {}, version)];
  }

  /** Undefined, which starts nothing, when the person does not want it. */
  async resolveMcpServerDefinition(
    server: vscode.McpHttpServerDefinition,
  ): Promise<vscode.McpHttpServerDefinition | undefined> {
    const offer = this.look();
    if (offer?.label !== server.label)
      throw new CoordinatorError(
        'unavailable',
        vscode.l10n.t(
          '{0} is not connected in this window any more. Connect to it, then start the server again.',
          server.label,
        ),
      );
    if (!(await this.agreed(offer))) return undefined;
    const {url, token} = await this.door(offer);
    server.uri = vscode.Uri.parse(url);
    server.version = offer.version;
    server.headers = token === undefined ? {} : {Authorization: `Bearer ${token}`};
    return server;
  }

  dispose(): void {
    this.closeRelay();
    this.lifetime.dispose();
  }

  private look(): HubOffer | undefined {
    const {link} = this.services;
    return hubOffer(link.state, link.chosen, {
      isEnabled: setting('chat.offerHub'),
      isTrusted: vscode.workspace.isTrusted,
    });
  }

  private follow(): void {
    const before = JSON.stringify(this.shown);
    this.shown = this.look();
    if (JSON.stringify(this.shown) === before) return;
    if (this.shown?.ca === undefined) this.closeRelay();
    this.changes.fire();
  }

  /** Where the chat goes, and what lets it in there. */
  private async door({
    url,
    ca,
  }: HubOffer): Promise<{readonly url: string; readonly token: string | undefined}> {
    const {link, logger, random} = this.services;
    if (ca === undefined) {
      const token = await this.newToken({ttlSeconds: TOKEN_SECONDS, label: 'chat of the editor'});
      return {url, token};
    }
    const target = (): HubTarget | undefined => {
      const offer = this.look();
      const {state} = link;
      return offer && 'endpoint' in state
        ? {url: offer.url, ca: offer.ca, token: state.endpoint.token}
        : undefined;
    };
    this.relay ??= HubRelay.open({target, logger, random});
    const {relay: opening} = this;
    const relay = await opening.catch((error: unknown) => {
      if (this.relay === opening) this.relay = undefined;
      throw error;
    });
    return {url: relay.url, token: relay.secret};
  }

  private closeRelay(): void {
    // One that could not be opened has told whoever asked for it.
    this.relay?.then(
      relay => relay.dispose(),
      () => undefined,
    );
    this.relay = undefined;
  }

  private async agreed({label, subject}: HubOffer): Promise<boolean> {
    const {globalState} = this.services.context;
    const known = globalState.get<readonly string[]>(AGREED_KEY) ?? [];
    if (known.includes(subject)) return true;
    const allow = vscode.l10n.t('Allow');
    const answer = await vscode.window.showWarningMessage(
      vscode.l10n.t('Let the chat of this editor use {0}?', label),
      {
        modal: true,
        detail: vscode.l10n.t(
          'It gets a token with which it can start and steer sessions and use the MCP servers behind the coordinator. The chat asks before it runs a tool, as its settings say. You are asked once for this coordinator.',
        ),
      },
      allow,
    );
    if (answer !== allow) return false;
    await globalState.update(AGREED_KEY, [
      ...(globalState.get<readonly string[]>(AGREED_KEY) ?? []),
      subject,
    ]);
    return true;
  }
}

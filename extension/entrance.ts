/**
 * What the editor may ask of a window in which nothing of ours is loaded yet. It is passed on to the window's own part, which is loaded by the first
 * that needs it: a window that has nothing to do with us pays for this alone.
 */
import * as vscode from 'vscode';
import type {Clock} from '../coordinator/runtime/clock.ts';
import type {HubInChat} from './chat/hubInChat.ts';
import {
  COMMANDS,
  CONTEXT_KEYS,
  commandId,
  HUB_PROVIDER,
  PAGE_VIEW_TYPE,
  SCHEMES,
  VIEWS,
} from './contributions.ts';
import {DeferredFiles} from './deferredFiles.ts';
import {isPlanFile} from './plan/planFile.ts';
import type {OpenWindow} from './window.ts';

export class Entrance {
  private opened: Promise<OpenWindow> | undefined;
  /** Stand for the trees until there are any. */
  private trees: vscode.Disposable | undefined;
  private followedHub: vscode.Disposable | undefined;
  private window: OpenWindow | undefined;
  private readonly documentChanges = new vscode.EventEmitter<vscode.Uri>();
  private readonly hubChanges = new vscode.EventEmitter<void>();

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly clock: Clock,
  ) {}

  register(): void {
    const {subscriptions} = this.context;
    for (const name of COMMANDS)
      subscriptions.push(
        vscode.commands.registerCommand(commandId(name), async (...args: unknown[]) =>
          (await this.open()).run(name, args),
        ),
      );
    const memory = new DeferredFiles(async () => (await this.open()).documents.memory);
    const results = new DeferredFiles(async () => (await this.open()).documents.results);
    const placements = new DeferredFiles(async () => (await this.open()).documents.placements);
    this.trees = vscode.Disposable.from(
      ...Object.values(VIEWS).map(id =>
        vscode.window.registerTreeDataProvider(id, {
          getChildren: () => this.open().then(() => []),
          getTreeItem: () => new vscode.TreeItem(''),
        }),
      ),
    );
    subscriptions.push(
      memory,
      results,
      placements,
      vscode.workspace.registerFileSystemProvider(SCHEMES.memory, memory, {isCaseSensitive: true}),
      vscode.workspace.registerFileSystemProvider(SCHEMES.result, results, {
        isCaseSensitive: true,
        isReadonly: true,
      }),
      vscode.workspace.registerFileSystemProvider(SCHEMES.placement, placements, {
        isCaseSensitive: true,
        isReadonly: true,
      }),
      vscode.workspace.registerTextDocumentContentProvider(SCHEMES.server, {
        onDidChange: this.documentChanges.event,
        provideTextDocumentContent: async uri =>
          (await this.open()).documents.servers.provideTextDocumentContent(uri),
      }),
      this.documentChanges,
      vscode.window.registerUriHandler({
        handleUri: async uri => (await this.open()).followLink(uri),
      }),
      vscode.window.registerWebviewPanelSerializer(PAGE_VIEW_TYPE, {
        deserializeWebviewPanel: async (panel, state: unknown) => (await this.open()).revive(panel, state),
      }),
      this.hubChanges,
      // The chat asks every window: one that is connected to nothing has nothing to offer.
      vscode.lm.registerMcpServerDefinitionProvider(HUB_PROVIDER, {
        onDidChangeMcpServerDefinitions: this.hubChanges.event,
        provideMcpServerDefinitions: async () =>
          this.window ? (await this.hubOf(this.window)).provideMcpServerDefinitions() : [],
        resolveMcpServerDefinition: async (server: vscode.McpHttpServerDefinition) =>
          (await this.hubOf(await this.open())).resolveMcpServerDefinition(server),
      }),
      {dispose: () => this.trees?.dispose()},
    );
    // Until there is a link that says it: menus ask.
    void vscode.commands.executeCommand('setContext', CONTEXT_KEYS.state, 'off');
    this.openWithFirstPlan();
  }

  /** Once: a window that could be made in part only is not made again over the rest of itself. */
  open(): Promise<OpenWindow> {
    this.opened ??= this.openNow();
    return this.opened;
  }

  /** Nobody has asked for anything yet: the first who does is told why it cannot be had. */
  openAhead(): void {
    this.open().catch(() => undefined);
  }

  private async openNow(): Promise<OpenWindow> {
    const since = this.clock.now();
    // A bundle of its own: see .config/build.mjs.
    const {openWindow} = await import('./window.ts');
    this.trees?.dispose();
    const window = openWindow(this.context);
    this.window = window;
    this.context.subscriptions.push(
      window.documents.servers.onDidChange(uri => this.documentChanges.fire(uri)),
    );
    this.hubChanges.fire();
    window.logger.info('this window uses MCPX', {loadedMs: Math.round(this.clock.now() - since)});
    return window;
  }

  private async hubOf(window: OpenWindow): Promise<HubInChat> {
    const hub = await window.hub();
    this.followedHub ??= hub.onDidChangeMcpServerDefinitions(() => this.hubChanges.fire());
    return hub;
  }

  private openWithFirstPlan(): void {
    const look = ({fileName}: vscode.TextDocument): void => {
      if (!this.opened && isPlanFile(fileName)) this.openAhead();
    };
    this.context.subscriptions.push(vscode.workspace.onDidOpenTextDocument(look));
    for (const document of vscode.workspace.textDocuments) look(document);
  }
}

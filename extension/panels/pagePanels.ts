/** The web pages in this window: one panel for each page of each session, opened by commands and revived after a reload. */
import * as vscode from 'vscode';
import type {Logger} from '../../coordinator/observability/logger.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import {PageState} from '../../webview/messages.ts';
import type {CoordinatorLink} from '../connection/coordinatorLink.ts';
import {commandId, PAGE_VIEW_TYPE} from '../contributions.ts';
import type {Fleet} from '../fleet/fleet.ts';
import {isPlanFile} from '../plan/planFile.ts';
import {setting} from '../settings.ts';
import {LinkSource} from './linkSource.ts';
import {PagePanel, webFolder} from './pagePanel.ts';

export interface PagePanelsOptions {
  readonly extensionUri: vscode.Uri;
  readonly link: CoordinatorLink;
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What a plan that is shown before it runs does when it is accepted. Default: the command that runs the plan at `uri`. */
export type AcceptDraft = () => Promise<void>;

export class PagePanels implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly panels = new Map<string, PagePanel>();
  private readonly accepts = new Map<string, AcceptDraft>();
  private readonly source: LinkSource;

  constructor(private readonly options: PagePanelsOptions) {
    this.source = this.lifetime.add(new LinkSource(options.link, options.fleet));
    this.lifetime.add(options.fleet.onChange(({part}) => this.retitle(part)));
  }

  /** Pages that are open. */
  get open(): readonly PageState[] {
    return [...this.panels.values()].map(({state}) => state);
  }

  /** Opens the page, or brings the one that shows it to the front. A graph stands beside the text of a plan, not over it. */
  show(state: PageState, column: vscode.ViewColumn = columnFor(state)): void {
    const found = this.panels.get(keyOf(state));
    if (found) {
      found.panel.reveal();
      found.show(state);
      return;
    }
    const title = this.titleOf(state);
    const sleeping = this.sleepingTab(state, title);
    if (sleeping) void vscode.window.tabGroups.close(sleeping, true);
    const place = sleeping?.group.viewColumn ?? column;
    const panel = vscode.window.createWebviewPanel(PAGE_VIEW_TYPE, title, place, {
      enableScripts: true,
      enableFindWidget: true,
      localResourceRoots: [webFolder(this.options.extensionUri)],
    });
    this.take(panel, state);
  }

  /** Draws a plan that has not run, beside its text. Nothing starts until a person accepts it there. */
  showDraft(uri: vscode.Uri, title: string, plan: Plan, accept?: AcceptDraft): void {
    const state: PageState = {page: 'draft', uri: uri.toString(), title};
    if (accept) this.accepts.set(state.uri, accept);
    this.show(state, vscode.ViewColumn.Beside);
    this.panels.get(keyOf(state))?.showDraft(plan);
  }

  /** Draws an open draft anew, where it is: whoever types goes on typing. */
  redrawDraft(uri: vscode.Uri, plan: Plan): void {
    this.panels.get(keyOf({page: 'draft', uri: uri.toString(), title: ''}))?.showDraft(plan);
  }

  /** Whether a draft of this plan is drawn. */
  isDrawn(uri: vscode.Uri): boolean {
    return this.panels.has(keyOf({page: 'draft', uri: uri.toString(), title: ''}));
  }

  dispose(): void {
    for (const {panel} of [...this.panels.values()]) panel.dispose();
    this.lifetime.dispose();
  }

  private take(panel: vscode.WebviewPanel, state: PageState): void {
    const {extensionUri, link, clock, random, logger} = this.options;
    const key = keyOf(state);
    // Tabs draw it as it is, and one of two even in the wrong high-contrast theme: a grey that all backgrounds bear.
    panel.iconPath = vscode.Uri.joinPath(extensionUri, 'extension', 'media', 'mcpxTab.svg');
    const page = new PagePanel(panel, state, {
      extensionUri,
      link,
      source: this.source,
      clock,
      random,
      logger,
      onAcceptDraft: () => this.acceptDraft(state),
    });
    this.panels.set(key, page);
    panel.onDidDispose(() => {
      page.dispose();
      if (this.panels.get(key) === page) this.panels.delete(key);
      if (state.page === 'draft') this.accepts.delete(state.uri);
    });
  }

  /** After a reload: the editor has kept the panel, and what the page said that it shows. */
  async revive(panel: vscode.WebviewPanel, stored: unknown): Promise<void> {
    const parsed = PageState.safeParse(stored);
    if (!parsed.success || this.panels.has(keyOf(parsed.data))) {
      panel.dispose();
      return;
    }
    const state = parsed.data;
    if (state.page === 'draft') {
      // Its plan is read again from its file.
      panel.dispose();
      await vscode.commands.executeCommand(commandId('showPlanGraph'), vscode.Uri.parse(state.uri));
      return;
    }
    this.take(panel, state);
    panel.title = this.titleOf(state);
    if (this.options.link.state.kind === 'off' && setting('coordinator.autoStart'))
      this.options.link
        .start()
        .catch((error: unknown) =>
          this.options.logger.warn('no coordinator for a page', {error: describeError(error)}),
        );
  }

  /** The tab that a reload left of this page, and nobody has looked at since: it has no panel yet, only its title. */
  private sleepingTab(state: PageState, title: string): vscode.Tab | undefined {
    const {mirror} = this.options.fleet;
    if ('sessionId' in state && mirror) {
      const name = this.nameOf(state.sessionId);
      if (mirror.sessions.filter(({session}) => session.name === name).length > 1) return undefined;
    }
    return vscode.window.tabGroups.all
      .flatMap(({tabs}) => tabs)
      .find(
        ({label, input}) =>
          label === title &&
          input instanceof vscode.TabInputWebview &&
          input.viewType.endsWith(`-${PAGE_VIEW_TYPE}`),
      );
  }

  private async acceptDraft(state: PageState): Promise<void> {
    if (state.page !== 'draft') return;
    const accept = this.accepts.get(state.uri);
    if (accept) await accept();
    else await vscode.commands.executeCommand(commandId('runPlan'), vscode.Uri.parse(state.uri));
  }

  private retitle(part: string): void {
    if (part !== 'sessions') return;
    for (const {panel, state} of this.panels.values()) {
      const title = this.titleOf(state);
      if (panel.title !== title) panel.title = title;
    }
  }

  private titleOf(state: PageState): string {
    const {l10n} = vscode;
    switch (state.page) {
      case 'home':
        return 'MCPX';
      case 'health':
        return l10n.t('MCPX Health');
      case 'draft':
        return l10n.t('{0} (plan)', state.title);
      case 'graph':
        return l10n.t('{0} (graph)', this.nameOf(state.sessionId));
      case 'session':
        return this.nameOf(state.sessionId);
    }
  }

  private nameOf(sessionId: string): string {
    return this.options.fleet.mirror?.session(sessionId)?.session.name ?? sessionId;
  }
}

/** Pages with the same key share a panel. */
function keyOf(state: PageState): string {
  switch (state.page) {
    case 'graph':
    case 'session':
      return `${state.page}/${state.sessionId}`;
    case 'draft':
      return `draft/${state.uri}`;
    default:
      return state.page;
  }
}

function columnFor({page}: PageState): vscode.ViewColumn {
  const plan = vscode.window.activeTextEditor?.document.fileName;
  const {Active, Beside} = vscode.ViewColumn;
  return page === 'graph' && plan !== undefined && isPlanFile(plan) ? Beside : Active;
}

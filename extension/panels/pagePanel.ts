/** One page in one panel: its document, its topics, and what a person does in it. Which panels there are is PagePanels'. */
import * as vscode from 'vscode';
import {FeedPublisher} from '../../coordinator/client/feed/publisher.ts';
import {answerQuery} from '../../coordinator/client/feed/queries.ts';
import type {Logger} from '../../coordinator/observability/logger.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, DisposableStore} from '../../coordinator/runtime/disposable.ts';
import {describeError} from '../../coordinator/runtime/errors.ts';
import type {Random} from '../../coordinator/runtime/random.ts';
import {FromPage, type PageAction, type PageState, type ToPage} from '../../webview/messages.ts';
import type {CoordinatorLink, LinkState} from '../connection/coordinatorLink.ts';
import type {LinkSource} from './linkSource.ts';
import {pageHtml} from './pageHtml.ts';
import {type ActionOutcome, performAction} from './performAction.ts';

export interface PagePanelOptions {
  readonly extensionUri: vscode.Uri;
  readonly link: CoordinatorLink;
  readonly source: LinkSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onAcceptDraft: () => Promise<void>;
}

/** Under this id the page takes plans that nobody opened. */
const DRAFT_TOPIC = 'draft';

export function webFolder(extensionUri: vscode.Uri): vscode.Uri {
  return vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
}

export class PagePanel implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly publisher: FeedPublisher;
  private draft: Plan | undefined;
  private drafts = 0;
  private ready = false;

  constructor(
    readonly panel: vscode.WebviewPanel,
    private current: PageState,
    private readonly options: PagePanelOptions,
  ) {
    const {link, source, clock} = options;
    this.publisher = this.lifetime.add(
      new FeedPublisher({clock, post: message => this.post({kind: 'feed', message})}),
    );
    this.publisher.use(source.current);
    this.lifetime.add(source.onChange(now => this.publisher.use(now)));
    this.lifetime.add(link.onState(state => this.tellConnection(state)));
    this.lifetime.add(panel.webview.onDidReceiveMessage((message: unknown) => this.take(message)));
    this.lifetime.add(panel.onDidChangeViewState(() => this.publisher.setVisible(panel.visible)));
    panel.webview.options = {
      enableScripts: true,
      localResourceRoots: [webFolder(options.extensionUri)],
    };
    panel.webview.html = this.html();
  }

  get state(): PageState {
    return this.current;
  }

  /** Shows something else of the same page. */
  show(state: PageState): void {
    this.current = state;
    if (this.ready) void this.post({kind: 'show', state});
  }

  showDraft(plan: Plan): void {
    this.draft = plan;
    if (this.ready) this.sendDraft();
  }

  dispose(): void {
    this.lifetime.dispose();
  }

  private html(): string {
    const {webview} = this.panel;
    const folder = webFolder(this.options.extensionUri);
    const uri = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
    return pageHtml({
      cspSource: webview.cspSource,
      nonce: this.options.random.hex(16),
      scriptUri: uri('page.js'),
      workerUri: uri('layoutWorker.js'),
      language: vscode.env.language,
    });
  }

  private post(message: ToPage): Thenable<boolean> {
    return this.panel.webview.postMessage(message);
  }

  private take(message: unknown): void {
    const parsed = FromPage.safeParse(message);
    if (!parsed.success) {
      this.options.logger.warn('a page sent what is no message', {error: parsed.error.message});
      return;
    }
    const {data} = parsed;
    switch (data.kind) {
      case 'ready':
        this.begin();
        return;
      case 'open':
        this.publisher.open(data.topicId, data.topic);
        return;
      case 'close':
        this.publisher.close(data.topicId);
        return;
      case 'state':
        this.current = data.state;
        return;
      case 'action':
      case 'query':
        void this.answer(data);
        return;
    }
  }

  /** The page was loaded, for the first time or again after it was hidden. */
  private begin(): void {
    this.ready = true;
    this.publisher.closeAll();
    const l10n = vscode.l10n.bundle ?? {};
    void this.post({kind: 'hello', state: this.current, host: 'editor', l10n});
    this.tellConnection(this.options.link.state);
    this.sendDraft();
  }

  private sendDraft(): void {
    if (!this.draft) return;
    const message = {topicId: DRAFT_TOPIC, generation: ++this.drafts, seq: 1};
    void this.post({kind: 'feed', message: {...message, event: {kind: 'plan', plan: this.draft}}});
  }

  private tellConnection(state: LinkState): void {
    const shown = {
      off: 'stopped',
      stopped: 'stopped',
      failed: 'stopped',
      starting: 'connecting',
      connected: 'connected',
      reconnecting: 'waiting',
    } as const;
    const message = 'error' in state ? describeError(state.error) : undefined;
    void this.post({kind: 'connection', state: shown[state.kind], message});
  }

  private async answer(message: Extract<FromPage, {kind: 'action' | 'query'}>): Promise<void> {
    let outcome: ActionOutcome;
    try {
      outcome =
        message.kind === 'action'
          ? await this.perform(message.action)
          : {kind: 'done', value: await answerQuery(this.options.link.requireClient(), message.query)};
    } catch (error) {
      outcome =
        error instanceof vscode.CancellationError
          ? {kind: 'cancelled'}
          : {kind: 'failed', message: describeError(error)};
    }
    void this.post({kind: 'answered', id: message.id, outcome});
  }

  private async perform(action: PageAction): Promise<ActionOutcome> {
    if (action.kind !== 'accept-draft') return performAction(this.options.link, action);
    await this.options.onAcceptDraft();
    return {kind: 'done'};
  }
}

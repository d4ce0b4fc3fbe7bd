/** The frame around a page: which page is shown, whether the coordinator is there, and, in a browser, the way to the other pages. */
import {css, html, nothing, type TemplateResult} from 'lit';
import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import {PageFeed} from '../feed/pageFeed.ts';
import '../graph/graphPage.ts';
import '../health/healthPage.ts';
import '../home/homePage.ts';
import {addressOf} from '../host/address.ts';
import type {PageHost} from '../host/pageHost.ts';
import type {ConnectionShown, PageState, ToPage} from '../messages.ts';
import '../session/sessionPage.ts';
import {toolIcon} from '../theme/icons.ts';
import {shared, tokens} from '../theme/tokens.ts';
import {define, McpxElement} from './element.ts';
import {t, useTranslations} from './l10n.ts';
import type {PageContext} from './pageContext.ts';

export class App extends McpxElement {
  static override properties = {
    page: {state: true},
    connection: {state: true},
    trouble: {state: true},
    failure: {state: true},
  };

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100vh;
        background: var(--vscode-editor-background);
      }
      nav {
        display: flex;
        align-items: center;
        gap: 4px;
        padding: 6px 14px;
        border-bottom: 1px solid var(--mcpx-border);
        background: var(--vscode-sideBar-background);
      }
      nav .name {
        font-weight: 700;
        letter-spacing: 0.04em;
        margin-right: 12px;
      }
      nav a {
        padding: 3px 8px;
        border-radius: 4px;
        color: var(--vscode-foreground);
        text-decoration: none;
      }
      nav a:hover {
        background: var(--vscode-toolbar-hoverBackground);
      }
      nav a[aria-current] {
        background: var(--vscode-list-activeSelectionBackground);
        color: var(--vscode-list-activeSelectionForeground);
        outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
      }
      .banner {
        padding: 6px 14px;
        background: var(--vscode-inputValidation-warningBackground);
        color: var(--vscode-inputValidation-warningForeground, var(--vscode-foreground));
        border-bottom: 1px solid var(--vscode-inputValidation-warningBorder, var(--mcpx-border));
      }
      main {
        flex: 1 1 auto;
        min-height: 0;
        position: relative;
        display: flex;
      }
      main > * {
        flex: 1 1 auto;
        min-width: 0;
      }
      form {
        display: flex;
        flex-direction: column;
        gap: 10px;
        max-width: 420px;
        margin: 15vh auto;
        padding: 0 16px;
      }
    `,
  ];

  host!: PageHost;
  useToken: ((token: string) => void) | undefined;
  page: PageState | undefined;
  connection: ConnectionShown = 'connecting';
  trouble: string | undefined;
  /** Of the last thing that was asked, until it is put away. */
  failure: string | undefined;
  private context!: PageContext;

  start(host: PageHost): void {
    this.host = host;
    this.addEventListener('action-failed', event => {
      if (event instanceof CustomEvent && typeof event.detail === 'string') this.failure = event.detail;
    });
    this.context = {
      feed: new PageFeed(host),
      workerUrl: host.workerUrl,
      host: 'editor',
      remember: state => {
        this.page = state;
        host.send({kind: 'state', state});
      },
    };
    host.onMessage(message => this.take(message));
    host.send({kind: 'ready'});
  }

  private take(message: ToPage): void {
    if (message.kind === 'hello') {
      useTranslations(message.l10n);
      this.context = {...this.context, host: message.host};
      this.show(message.state);
    } else if (message.kind === 'show') {
      this.show(message.state);
    } else if (message.kind === 'connection') {
      this.connection = message.state;
      this.trouble = message.message;
    }
  }

  private show(state: PageState): void {
    this.page = state;
    this.host.send({kind: 'state', state});
  }

  override render(): TemplateResult {
    const needsToken = this.connection === 'stopped' && this.useToken !== undefined;
    return html`
      ${this.context?.host === 'browser' ? this.renderNavigation() : nothing}
      ${needsToken ? nothing : this.renderBanner()}
      ${
        this.failure === undefined
          ? nothing
          : html`<div class="banner row" role="alert">
            <span class="grow">${this.failure}</span>
            <button class="tool" aria-label=${t('Close')} @click=${() => {
              this.failure = undefined;
            }}>${toolIcon('close')}</button>
          </div>`
      }
      <main>${needsToken ? this.renderTokenForm() : this.renderPage()}</main>
    `;
  }

  private renderNavigation(): TemplateResult {
    const link = (state: PageState, text: string): TemplateResult => {
      const current = this.page?.page === state.page;
      return html`<a href=${addressOf(state)} aria-current=${current ? 'page' : nothing}>${text}</a>`;
    };
    const {page} = this;
    const sessionId = page && 'sessionId' in page ? page.sessionId : undefined;
    return html`<nav aria-label=${t('Pages')}>
      <span class="name">MCPX</span>
      ${link({page: 'home'}, t('Home'))} ${link({page: 'health'}, t('Health'))}
      ${
        sessionId === undefined
          ? nothing
          : html`${link({page: 'session', sessionId}, t('Session'))}
            ${link({page: 'graph', sessionId}, t('Task Graph'))}`
      }
    </nav>`;
  }

  private renderBanner(): TemplateResult | typeof nothing {
    if (this.connection === 'connected' || this.page?.page === 'draft') return nothing;
    const text =
      this.connection === 'connecting'
        ? t('Connecting to the coordinator…')
        : this.connection === 'waiting'
          ? t('The coordinator cannot be reached. What you see is what it last said; it is tried again.')
          : t('No coordinator is connected.');
    return html`<div class="banner" role="status">
      ${text} ${this.trouble ? html`<span class="quiet">${this.trouble}</span>` : nothing}
    </div>`;
  }

  private renderTokenForm(): TemplateResult {
    const use = (event: Event): void => {
      event.preventDefault();
      const field = this.renderRoot.querySelector<HTMLElement & {value: string}>('vscode-textfield');
      const token = field?.value.trim() ?? '';
      if (token !== '') this.useToken?.(token);
    };
    return html`<form @submit=${use}>
      <h1>${t('Token needed')}</h1>
      <div>${this.trouble ?? ''}</div>
      <div class="quiet">
        ${t('In VS Code, "MCPX: Open in Browser" brings you here with one. On the command line: mcpx token create --role client.')}
      </div>
      <vscode-textfield type="password" label=${t('Token')} placeholder=${t('Token')} autocomplete="off"
        @keydown=${(event: KeyboardEvent) => {
          if (event.key === 'Enter') use(event);
        }}></vscode-textfield>
      <div><vscode-button @click=${use}>${t('Connect')}</vscode-button></div>
    </form>`;
  }

  private renderPage(): TemplateResult | typeof nothing {
    const {page, context} = this;
    if (!page) return nothing;
    switch (page.page) {
      case 'home':
        return html`<mcpx-home .context=${context}></mcpx-home>`;
      case 'graph':
      case 'draft':
        return html`<mcpx-graph-page .context=${context} .state=${page}></mcpx-graph-page>`;
      case 'session':
        return html`<mcpx-session-page .context=${context} .state=${page}></mcpx-session-page>`;
      case 'health':
        return html`<mcpx-health-page .context=${context}></mcpx-health-page>`;
    }
  }
}
define('mcpx-app', App);

/** `useToken`: what a person types when the page has no right to connect. */
export function mountApp(host: PageHost, useToken?: (token: string) => void): void {
  const {styleSheet} = tokens;
  if (styleSheet) document.adoptedStyleSheets.push(styleSheet);
  const app = new App();
  app.useToken = useToken;
  document.body.append(app);
  app.start(host);
}

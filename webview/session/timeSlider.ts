/** Moves a session's page through its past: each step is a moment at which something changed. */
import {css, html, nothing, type TemplateResult} from 'lit';
import '../shell/actionButton.ts';
import {define, McpxElement} from '../shell/element.ts';
import {clockTime} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {toolIcon} from '../theme/icons.ts';
import {shared} from '../theme/tokens.ts';
import {momentText, type PastSession} from './pastSession.ts';

export class TimeSlider extends McpxElement {
  static override properties = {past: {attribute: false}, version: {attribute: false}, sessionId: {}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        padding: 4px 12px;
        border-bottom: 1px solid var(--mcpx-border);
      }
      :host([data-past]) {
        background: var(--vscode-inputValidation-warningBackground);
        color: var(--vscode-inputValidation-warningForeground, var(--vscode-foreground));
        border-bottom-color: var(--vscode-inputValidation-warningBorder, var(--mcpx-border));
      }
      input {
        flex: 1 1 auto;
        min-width: 80px;
        accent-color: var(--vscode-focusBorder);
        margin: 0;
      }
      .when {
        min-width: 64px;
        font-variant-numeric: tabular-nums;
        text-align: right;
      }
      .what {
        min-height: 1.4em;
      }
    `,
  ];

  context!: PageContext;
  past!: PastSession;
  version = 0;
  sessionId = '';
  /** Where the thumb is while the rows are fetched. */
  private at: number | undefined;

  override render(): TemplateResult {
    const {moments, shown, failure} = this.past;
    this.toggleAttribute('data-past', shown !== undefined);
    if (moments.length < 2)
      return html`<span class="quiet">${failure ?? t('The past of this session can be looked at once it has one.')}</span>`;
    const last = moments.length - 1;
    const index = this.index;
    const moment = moments[index];
    const when = moment && index < last ? clockTime(moment.at) : t('now');
    return html`<div class="row">
      <label for="time" class="quiet">${t('Time')}</label>
      ${this.step('back', t('One change back'), index - 1)}
      <input id="time" type="range" min="0" max=${last} step="1" .value=${String(index)}
        aria-valuetext=${moment ? `${when}, ${momentText(moment)}` : when} @input=${this.onInput} />
      ${this.step('next', t('One change on'), index + 1)}
      <span class="when">${when}</span>
    </div>
    ${
      shown
        ? html`<div class="row wrap" role="status">
          <b>${t('You look at the past, at {0}.', clockTime(shown.at))}</b>
          <span class="clip grow what">${shown.gap ? t('What happened between revisions {0} and {1} is not known.', shown.gap.after, shown.gap.until) : moment ? momentText(moment) : ''}</span>
          ${
            this.context.host === 'editor'
              ? html`<mcpx-action .feed=${this.context.feed} label=${t('Files at This Time')}
                .action=${{kind: 'filesAt', sessionId: this.sessionId, revision: shown.revision}}></mcpx-action>`
              : nothing
          }
          <vscode-button @click=${() => this.go(last)}>${t('Back to Now')}</vscode-button>
        </div>`
        : nothing
    }`;
  }

  private get index(): number {
    const {moments, shown} = this.past;
    if (this.at !== undefined) return Math.min(this.at, moments.length - 1);
    if (!shown) return moments.length - 1;
    const found = moments.findLastIndex(({revision}) => revision <= shown.revision);
    return Math.max(0, found);
  }

  private step(icon: 'back' | 'next', label: string, to: number): TemplateResult {
    const possible = to >= 0 && to < this.past.moments.length;
    return html`<button class="tool" aria-label=${label} title=${label} ?disabled=${!possible} @click=${() => this.go(to)}>
      ${toolIcon(icon)}
    </button>`;
  }

  private onInput(event: Event): void {
    this.go(Number((event.currentTarget as HTMLInputElement).value));
  }

  private go(to: number): void {
    const moment = this.past.moments[to];
    if (!moment) return;
    if (to >= this.past.moments.length - 1) {
      this.at = undefined;
      this.past.leave();
    } else {
      this.at = to;
      void this.past.show(moment.revision).finally(() => {
        if (this.at === to) this.at = undefined;
        this.requestUpdate();
      });
    }
    this.requestUpdate();
  }
}
define('mcpx-time-slider', TimeSlider);

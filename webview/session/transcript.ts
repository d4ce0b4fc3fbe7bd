/** An attempt's transcript, live: follows its end unless a person reads elsewhere, tools folded, with a line to write into it. */

import {html, nothing, type PropertyValues, type TemplateResult} from 'lit';
import {repeat} from 'lit/directives/repeat.js';
import {continuedNumber} from '../../coordinator/client/report/continuedText.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import '../shell/actionButton.ts';
import {tellFailure} from '../shell/actionButton.ts';
import '../shell/approvalCard.ts';
import {define, McpxElement} from '../shell/element.ts';
import {clockTime, dollars, duration} from '../shell/format.ts';
import {plural, t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon} from '../theme/icons.ts';
import {LOOKS, lookOfOutcome} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {inlineParts, type TranscriptItem, textParts, transcriptItems} from './transcriptItems.ts';
import {transcriptStyles} from './transcriptStyles.ts';
import {TranscriptWindow} from './transcriptWindow.ts';

/** Closer to the end than this, the end is followed. */
const NEAR_PX = 40;
const MAX_SHOWN = 20_000;

export class Transcript extends McpxElement {
  static override properties = {
    attempt: {attribute: false},
    heading: {},
    approvals: {attribute: false},
    until: {attribute: false},
    isPast: {attribute: false},
    version: {state: true},
    following: {state: true},
    opened: {state: true},
  };

  static override styles = [shared, transcriptStyles];

  context!: PageContext;
  attempt: AttemptRecord | undefined;
  heading = '';
  approvals: readonly ApprovalRecord[] = [];
  /** The last event that is shown, when the past is looked at. */
  until: number | undefined;
  isPast = false;
  version = 0;
  following = true;
  opened: ReadonlySet<number> = new Set();
  private window: TranscriptWindow | undefined;

  override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('attempt') || this.attempt?.id === this.window?.attemptId) return;
    this.window?.dispose();
    this.opened = new Set();
    this.following = true;
    this.window = this.attempt
      ? new TranscriptWindow(this.context.feed, this.attempt.id, () => {
          if (this.following) this.window?.trim();
          this.version += 1;
        })
      : undefined;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.window?.dispose();
    this.window = undefined;
  }

  override updated(): void {
    const {scroller} = this;
    if (this.following && scroller) scroller.scrollTop = scroller.scrollHeight;
  }

  private get scroller(): HTMLElement | null {
    return this.renderRoot.querySelector('.events');
  }

  override render(): TemplateResult {
    const {attempt, window} = this;
    if (!attempt || !window)
      return html`<div class="empty quiet">${t('Choose an attempt to read its transcript.')}</div>`;
    const items = this.items(window);
    return html`
      ${this.renderHead(attempt)}
      <div class="events" role="log" aria-label=${t('Transcript of {0}', this.heading)} aria-live="off" tabindex="0"
        @scroll=${this.onScroll}>
        ${
          window.firstSeq > 1
            ? html`<button class="earlier" @click=${() => void this.readEarlier()}>${t('Earlier')}</button>`
            : nothing
        }
        ${items.length === 0 ? this.renderNothing(window) : nothing}
        ${repeat(
          items,
          item => item.seq,
          item => this.renderItem(item),
        )}
      </div>
      ${this.following || this.isPast ? nothing : this.renderJump()}
      ${this.isPast ? nothing : this.renderFoot(attempt)}
    `;
  }

  private items(window: TranscriptWindow): readonly TranscriptItem[] {
    const events =
      this.until === undefined && !this.isPast
        ? window.events
        : window.events.slice(0, Math.max(0, (this.until ?? 0) - window.firstSeq + 1));
    return transcriptItems(events, window.firstSeq);
  }

  private renderNothing(window: TranscriptWindow): TemplateResult {
    const text =
      window.failure ??
      (this.isPast
        ? t('Nothing was said by then.')
        : window.ended
          ? t('Nothing was said.')
          : window.isLoading
            ? t('Reading…')
            : t('Nothing has been said yet.'));
    return html`<div class="quiet" role="status">${text}</div>`;
  }

  private renderHead(attempt: AttemptRecord): TemplateResult {
    const look = lookOfOutcome(attempt.outcome);
    const {costUsd, turns} = attempt.usage;
    const facts = [
      t('attempt {0}', attempt.number),
      attempt.agentId,
      attempt.endedAt === undefined
        ? ''
        : duration(attempt.endedAt - (attempt.startedAt ?? attempt.assignedAt)),
      costUsd > 0 ? dollars(costUsd) : '',
      turns > 0 ? plural(turns, '1 turn', '{0} turns') : '',
      attempt.continued
        ? t(
            'continued from attempt {0} at tool call {1} on agent {2}',
            continuedNumber(attempt.continued),
            attempt.continued.calls,
            attempt.continued.agentId,
          )
        : '',
    ].filter(fact => fact !== '');
    return html`<header>
      ${stateIcon(look, t(LOOKS[look].label))}
      <h2 class="clip">${this.heading}</h2>
      <span class="quiet clip grow">${facts.join(' · ')}</span>
      ${
        attempt.outcome === undefined && !this.isPast
          ? html`<mcpx-action .feed=${this.context.feed}
            .action=${{kind: 'attempt', attemptId: attempt.id, command: 'interrupt'}} label=${t('Interrupt')}></mcpx-action>`
          : nothing
      }
    </header>
    ${attempt.failure ? html`<div class="failure"><span class="error">${attempt.failure.message}</span></div>` : nothing}`;
  }

  private renderItem(item: TranscriptItem): TemplateResult {
    switch (item.kind) {
      case 'said':
        return this.renderSaid(item);
      case 'tool':
        return this.renderTool(item);
      case 'output':
        return html`<pre class="output ${item.isError ? 'error' : ''}" tabindex="0">${clip(item.text)}</pre>`;
      case 'note':
        return html`<div class="note ${item.level === 'error' ? 'error' : 'quiet'}">
          <span class="time">${clockTime(item.at)}</span> ${t(item.text)}
        </div>`;
    }
  }

  private renderSaid(item: Extract<TranscriptItem, {kind: 'said'}>): TemplateResult {
    const who = {assistant: 'Claude', user: t('Prompt'), system: t('System'), thinking: t('Thinking')}[
      item.role
    ];
    const body = html`${textParts(item.text).map(part =>
      part.kind === 'code'
        ? html`<pre tabindex="0">${clip(part.text)}</pre>`
        : html`<div class="text">${inlineParts(part.text).map(piece =>
            piece.kind === 'code'
              ? html`<code>${piece.text}</code>`
              : piece.kind === 'bold'
                ? html`<b>${piece.text}</b>`
                : piece.text,
          )}</div>`,
    )}`;
    const folded = item.role === 'thinking' || item.role === 'user';
    if (!folded)
      return html`<div class="said ${item.role} ${item.nested ? 'nested' : ''}">
        <span class="who quiet">${who} <span class="time">${clockTime(item.at)}</span></span>${body}
      </div>`;
    return html`<details class="said ${item.role} ${item.nested ? 'nested' : ''}" ?open=${item.role === 'user' && item.text.length < 400}>
      <summary class="plain"><span class="who quiet">${who}
        <span class="time">${clockTime(item.at)}</span></span></summary>${body}
    </details>`;
  }

  private renderTool(item: Extract<TranscriptItem, {kind: 'tool'}>): TemplateResult {
    const {result} = item;
    const look = result === undefined ? 'running' : result.isError ? 'failed' : 'succeeded';
    const open = this.opened.has(item.seq);
    const took = result ? result.at - item.at : undefined;
    return html`<details
      class="tool-call ${item.nested ? 'nested' : ''}"
      .open=${open}
      @toggle=${(event: Event) => this.onToggle(item.seq, event)}
    >
      <summary><span class="row">${stateIcon(look)}<b>${item.name}</b>
        <span class="brief clip grow mono">${item.brief}</span>
        <span class="quiet time">${took === undefined || took < 100 ? '' : duration(took)}</span></span></summary>
      ${
        open
          ? html`<pre tabindex="0" aria-label=${t('Input')}>${clip(
              typeof item.input === 'string' ? item.input : (JSON.stringify(item.input, undefined, 2) ?? ''),
            )}</pre>
            ${result ? html`<pre tabindex="0" aria-label=${t('Result')} class=${result.isError ? 'error' : ''}>${clip(result.text)}</pre>` : nothing}`
          : nothing
      }
    </details>`;
  }

  private renderJump(): TemplateResult {
    return html`<div class="jump"><vscode-button secondary @click=${() => {
      this.following = true;
    }}>${t('Follow the end')}</vscode-button></div>`;
  }

  private renderFoot(attempt: AttemptRecord): TemplateResult | typeof nothing {
    const approvals = this.approvals.filter(
      ({attemptId}) => attemptId === undefined || attemptId === attempt.id,
    );
    const live = attempt.outcome === undefined;
    if (!live && approvals.length === 0) return nothing;
    return html`<footer>
      ${approvals.map(approval => html`<mcpx-approval .context=${this.context} .approval=${approval}></mcpx-approval>`)}
      ${
        live
          ? html`<form @submit=${this.onSubmit}>
            <textarea rows="2" aria-label=${t('Message to this attempt')}
              placeholder=${t('Write to this attempt; Enter sends, Shift+Enter begins a line')}
              @keydown=${this.onKey}></textarea>
            <vscode-button @click=${this.onSubmit}>${t('Send')}</vscode-button>
          </form>`
          : nothing
      }
    </footer>`;
  }

  private onToggle(seq: number, event: Event): void {
    const {open} = event.currentTarget as HTMLDetailsElement;
    if (open === this.opened.has(seq)) return;
    const opened = new Set(this.opened);
    if (open) opened.add(seq);
    else opened.delete(seq);
    this.opened = opened;
  }

  private onScroll(): void {
    const {scroller} = this;
    if (!scroller) return;
    this.following = scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - NEAR_PX;
    if (scroller.scrollTop === 0 && scroller.scrollHeight > scroller.clientHeight) void this.readEarlier();
  }

  /** What is read stays where it is. */
  private async readEarlier(): Promise<void> {
    const {scroller} = this;
    const fromEnd = scroller ? scroller.scrollHeight - scroller.scrollTop : 0;
    await this.window?.readEarlier();
    await this.updateComplete;
    if (scroller && !this.following) scroller.scrollTop = scroller.scrollHeight - fromEnd;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    void this.onSubmit(event);
  }

  private async onSubmit(event: Event): Promise<void> {
    event.preventDefault();
    const field = this.renderRoot.querySelector('textarea');
    const text = field?.value.trim() ?? '';
    if (!field || !this.attempt || text === '') return;
    field.value = '';
    const outcome = await this.context.feed.act({kind: 'message', attemptId: this.attempt.id, text});
    if (outcome.kind !== 'failed') return;
    // It was not sent, and must not be typed again.
    if (field.value === '') field.value = text;
    tellFailure(this, outcome.message);
  }
}
define('mcpx-transcript', Transcript);

function clip(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}\n…` : text;
}

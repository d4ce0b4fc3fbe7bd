/** All attempts as a table: what the timeline shows, in words and for the keyboard. Only the rows in view are in the document. */
import {css, html, nothing, type TemplateResult} from 'lit';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import {define, McpxElement} from '../shell/element.ts';
import {clockTime, dollars, duration} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import {styled} from '../shell/styled.ts';
import {stateIcon} from '../theme/icons.ts';
import {LOOKS, lookOfOutcome} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';

const ROW_HEIGHT = 26;
const OVERSCAN = 10;

export class AttemptTable extends McpxElement {
  static override properties = {
    attempts: {attribute: false},
    titles: {attribute: false},
    chosen: {},
    wallNow: {attribute: false},
    top: {state: true},
  };

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        position: relative;
        min-height: 0;
      }
      .scroll {
        position: absolute;
        inset: 0;
        overflow: auto;
      }
      .table {
        min-width: 520px;
      }
      .line {
        display: grid;
        grid-template-columns: 18px minmax(120px, 3fr) minmax(80px, 1.4fr) 74px 72px 70px;
        gap: 10px;
        align-items: center;
        height: ${ROW_HEIGHT}px;
        padding: 0 12px;
      }
      .head {
        position: sticky;
        top: 0;
        z-index: 1;
        background: var(--vscode-editor-background);
        color: var(--vscode-descriptionForeground);
        border-bottom: 1px solid var(--mcpx-border);
      }
      .spacer {
        position: relative;
        height: var(--height);
      }
      .body {
        position: absolute;
        left: 0;
        right: 0;
        top: var(--top);
      }
      .body .line:hover {
        background: var(--vscode-list-hoverBackground);
      }
      .body .line.chosen {
        background: var(--vscode-list-inactiveSelectionBackground);
        outline: 1px solid var(--vscode-contrastActiveBorder, transparent);
        outline-offset: -1px;
      }
      .line.chosen .quiet {
        color: inherit;
      }
      .number {
        text-align: right;
        font-variant-numeric: tabular-nums;
      }
      .name {
        text-align: left;
        width: 100%;
      }
      .sign {
        display: block;
      }
    `,
  ];

  attempts: readonly AttemptRecord[] = [];
  titles: ReadonlyMap<string, string> = new Map();
  chosen: string | undefined;
  wallNow = 0;
  top = 0;
  private height = 400;

  override connectedCallback(): void {
    super.connectedCallback();
    this.holdSize(size => {
      this.height = size?.height ?? this.height;
      this.requestUpdate();
    });
  }

  override render(): TemplateResult {
    const {attempts} = this;
    const first = Math.max(0, Math.floor(this.top / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(attempts.length, Math.ceil((this.top + this.height) / ROW_HEIGHT) + OVERSCAN);
    return html`<div class="scroll" @scroll=${(event: Event) => {
      this.top = (event.currentTarget as HTMLElement).scrollTop;
    }}>
      <div class="table" role="table" aria-label=${t('Attempts')} aria-rowcount=${attempts.length + 1}>
        <div class="line head" role="row" aria-rowindex="1">
          <span role="columnheader"><span class="offscreen">${t('Outcome')}</span></span>
          <span role="columnheader">${t('Task')}</span>
          <span role="columnheader">${t('Agent')}</span>
          <span role="columnheader">${t('Started')}</span>
          <span role="columnheader" class="number">${t('Time')}</span>
          <span role="columnheader" class="number">${t('Cost')}</span>
        </div>
        <div class="spacer" role="presentation" ${styled({'--height': `${attempts.length * ROW_HEIGHT}px`})}>
          <div class="body" role="rowgroup" ${styled({'--top': `${first * ROW_HEIGHT}px`})}>
            ${attempts.slice(first, last).map((attempt, offset) => this.renderRow(attempt, first + offset))}
          </div>
        </div>
      </div>
    </div>`;
  }

  private renderRow(attempt: AttemptRecord, at: number): TemplateResult {
    const look = lookOfOutcome(attempt.outcome);
    const began = attempt.startedAt ?? attempt.assignedAt;
    const title = this.titles.get(attempt.taskId) ?? attempt.taskId;
    const {costUsd} = attempt.usage;
    return html`<div class="line ${attempt.id === this.chosen ? 'chosen' : ''}" role="row" aria-rowindex=${at + 2}>
      <span role="cell">${stateIcon(look, t(LOOKS[look].label))}</span>
      <span role="cell" class="clip"><button class="name clip" aria-current=${attempt.id === this.chosen ? 'true' : nothing}
        @click=${() => this.dispatchEvent(new CustomEvent('choose', {detail: attempt.id}))}>
        ${title}${attempt.number > 1 ? html` <span class="quiet">${attempt.backupOf ? t('attempt {0}, a backup', attempt.number) : t('attempt {0}', attempt.number)}</span>` : nothing}
      </button></span>
      <span role="cell" class="clip quiet">${attempt.agentId}</span>
      <span role="cell" class="quiet">${clockTime(began)}</span>
      <span role="cell" class="number">${duration(Math.max(0, (attempt.endedAt ?? this.wallNow) - began))}</span>
      <span role="cell" class="number">${costUsd > 0 ? dollars(costUsd) : ''}</span>
    </div>`;
  }
}
define('mcpx-attempt-table', AttemptTable);

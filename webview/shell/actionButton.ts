/** A button that asks the host to do something, waits for it, and tells when it failed. */
import {css, html, type TemplateResult} from 'lit';
import type {PageFeed} from '../feed/pageFeed.ts';
import type {PageAction} from '../messages.ts';
import {define, McpxElement} from './element.ts';

export class ActionButton extends McpxElement {
  static override properties = {
    action: {attribute: false},
    label: {},
    primary: {type: Boolean},
    busy: {state: true},
  };

  static override styles = [
    css`
      :host {
        display: inline-block;
      }
      vscode-button {
        white-space: nowrap;
      }
    `,
  ];

  feed!: PageFeed;
  action!: PageAction;
  label = '';
  primary = false;
  busy = false;

  override render(): TemplateResult {
    return html`<vscode-button ?secondary=${!this.primary} ?disabled=${this.busy} @click=${this.run}>
      ${this.label}
    </vscode-button>`;
  }

  private async run(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const outcome = await this.feed.act(this.action);
    this.busy = false;
    if (outcome.kind === 'failed') tellFailure(this, outcome.message);
  }
}
define('mcpx-action', ActionButton);

/** The frame shows it. */
export function tellFailure(element: HTMLElement, message: string): void {
  element.dispatchEvent(new CustomEvent('action-failed', {detail: message, bubbles: true, composed: true}));
}

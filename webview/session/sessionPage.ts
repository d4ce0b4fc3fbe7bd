/** placeholder */
import {html, type TemplateResult} from 'lit';
import {define, McpxElement} from '../shell/element.ts';
export class SessionPage extends McpxElement {
  override render(): TemplateResult {
    return html``;
  }
}
define('mcpx-session-page', SessionPage);

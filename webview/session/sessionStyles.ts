/** Where the parts of the session's page stand. */
import {css} from 'lit';

export const sessionStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    min-height: 0;
    min-width: 0;
  }
  .body {
    flex: 1 1 auto;
    min-height: 0;
    display: flex;
  }
  .left {
    flex: 1 1 54%;
    min-width: 0;
    display: flex;
    flex-direction: column;
    border-right: 1px solid var(--mcpx-border);
  }
  mcpx-timeline {
    flex: 0 1 auto;
    max-height: 42%;
    padding: 4px 8px 0 12px;
  }
  mcpx-transcript {
    flex: 1 1 46%;
    min-width: 0;
  }
  .panel {
    flex: 1 1 auto;
    min-height: 0;
    display: flex;
    flex-direction: column;
  }
  .panel > * {
    flex: 1 1 auto;
    min-height: 0;
  }
  .list {
    overflow: auto;
    padding: 10px 12px;
    display: flex;
    flex-direction: column;
    gap: 6px;
  }
  .list > * {
    flex: none;
  }
  pre {
    margin: 4px 0 6px;
    padding: 8px;
    max-height: 320px;
    overflow: auto;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    background: var(--vscode-textCodeBlock-background);
    border-radius: 4px;
    font-family: var(--mcpx-mono);
    font-size: 0.92em;
  }
  .list .sign {
    position: relative;
    top: 2px;
  }
  .link {
    color: var(--vscode-textLink-foreground);
    text-decoration: underline;
  }
  .empty {
    margin: auto;
    padding: 24px;
  }
  .tabs {
    display: flex;
    gap: 2px;
    padding: 6px 8px 0;
    border-bottom: 1px solid var(--mcpx-border);
    flex: none;
  }
  .tabs [role='tab'] {
    padding: 4px 10px 6px;
    border-bottom: 2px solid transparent;
    color: var(--vscode-descriptionForeground);
    white-space: nowrap;
  }
  .tabs [role='tab'][aria-selected='true'] {
    color: var(--vscode-foreground);
    border-bottom-color: var(--vscode-focusBorder);
  }
  .badge {
    margin-left: 4px;
    padding: 0 6px;
    border-radius: 8px;
    font-size: 0.85em;
    background: var(--vscode-badge-background);
    color: var(--vscode-badge-foreground);
    border: 1px solid var(--vscode-contrastBorder, transparent);
  }
  @media (max-width: 760px) {
    .body {
      flex-direction: column;
    }
    .left {
      border-right: 0;
      border-bottom: 1px solid var(--mcpx-border);
    }
  }
`;

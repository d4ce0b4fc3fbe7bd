/** How a transcript looks. What is out of sight costs nothing: the browser lays it out when it comes into view. */
import {css} from 'lit';

export const transcriptStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    min-height: 0;
    min-width: 0;
    position: relative;
  }
  .empty {
    margin: auto;
    padding: 24px;
  }
  header {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 6px 12px;
    min-height: 38px;
    border-bottom: 1px solid var(--mcpx-border);
  }
  header h2 {
    flex: 0 1 auto;
  }
  .failure {
    padding: 6px 12px;
    border-bottom: 1px solid var(--mcpx-border);
    max-height: 90px;
    overflow: auto;
    white-space: pre-wrap;
  }
  .events {
    flex: 1 1 auto;
    min-height: 0;
    overflow: auto;
    padding: 10px 12px;
    line-height: 1.45;
  }
  .events:focus-visible {
    outline-offset: -1px;
  }
  .events > * {
    content-visibility: auto;
    contain-intrinsic-size: auto 40px;
    margin-bottom: 8px;
  }
  .nested {
    margin-left: 18px;
    padding-left: 10px;
    border-left: 2px solid var(--mcpx-border);
  }
  .who {
    display: block;
    font-size: 0.88em;
  }
  summary .who {
    display: inline;
  }
  .time {
    white-space: nowrap;
    font-variant-numeric: tabular-nums;
    font-size: 0.88em;
  }
  .text {
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .said.thinking .text {
    color: var(--vscode-descriptionForeground);
    font-style: italic;
  }
  .said.user {
    border-left: 3px solid var(--mcpx-running);
    padding-left: 8px;
  }
  pre,
  code {
    font-family: var(--mcpx-mono);
    font-size: 0.92em;
  }
  code {
    background: var(--vscode-textCodeBlock-background);
    border-radius: 3px;
    padding: 0 3px;
  }
  pre {
    margin: 4px 0 0;
    padding: 8px;
    max-height: 320px;
    overflow: auto;
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    background: var(--vscode-textCodeBlock-background);
    border-radius: 4px;
  }
  .tool-call > summary {
    padding: 2px 4px;
  }
  .tool-call > summary:hover {
    background: var(--vscode-list-hoverBackground);
  }
  .tool-call .sign {
    width: 14px;
    height: 14px;
    flex: none;
    position: relative;
    top: 2px;
  }
  .note {
    font-size: 0.92em;
  }
  .earlier {
    display: block;
    margin: 0 auto 8px;
    color: var(--vscode-textLink-foreground);
    text-decoration: underline;
  }
  .jump {
    position: absolute;
    right: 16px;
    bottom: 12px;
  }
  footer {
    border-top: 1px solid var(--mcpx-border);
    padding: 8px 12px;
    display: grid;
    gap: 8px;
  }
  form {
    display: flex;
    gap: 8px;
    align-items: flex-end;
  }
  textarea {
    flex: 1 1 auto;
    resize: vertical;
    font: inherit;
    padding: 5px 7px;
    border-radius: 4px;
    color: var(--vscode-input-foreground);
    background: var(--vscode-input-background);
    border: 1px solid var(--vscode-input-border, var(--mcpx-border));
  }
  textarea::placeholder {
    color: var(--vscode-input-placeholderForeground);
  }
`;

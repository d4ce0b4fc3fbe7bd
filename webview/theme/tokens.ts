/** Our own names for colours, each from a variable of the editor: what a state looks like is said once. */
import {css} from 'lit';

export const tokens = css`
  :root {
    --mcpx-running: var(--vscode-charts-blue);
    --mcpx-verifying: var(--vscode-charts-purple);
    --mcpx-waiting: var(--vscode-charts-yellow);
    --mcpx-succeeded: var(--vscode-charts-green);
    --mcpx-failed: var(--vscode-charts-red);
    --mcpx-quiet: var(--vscode-descriptionForeground);
    --mcpx-lost: var(--vscode-charts-orange, var(--vscode-editorWarning-foreground));
    --mcpx-border: var(--vscode-contrastBorder, var(--vscode-panel-border, var(--vscode-widget-border)));
    --mcpx-card: var(--vscode-editorWidget-background);
    --mcpx-mono: var(--vscode-editor-font-family, monospace);
  }
  html,
  body {
    height: 100%;
    margin: 0;
    padding: 0;
    overflow: hidden;
    background: var(--vscode-editor-background);
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size, 13px);
  }
`;

/** For every element of ours. */
export const shared = css`
  :host {
    box-sizing: border-box;
    color: var(--vscode-foreground);
    font-size: var(--vscode-font-size, 13px);
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3 {
    margin: 0;
    font-weight: 600;
    line-height: 1.3;
  }
  h1 {
    font-size: 1.25em;
  }
  h2 {
    font-size: 1em;
  }
  h3 {
    font-size: 0.92em;
    color: var(--vscode-descriptionForeground);
    text-transform: none;
  }
  .quiet {
    color: var(--vscode-descriptionForeground);
  }
  .mono {
    font-family: var(--mcpx-mono);
    font-size: 0.95em;
  }
  .clip {
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
    min-width: 0;
  }
  .row {
    display: flex;
    align-items: center;
    gap: 8px;
  }
  .wrap {
    flex-wrap: wrap;
  }
  .grow {
    flex: 1 1 auto;
    min-width: 0;
  }
  .error {
    color: var(--vscode-errorForeground);
  }
  .offscreen {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  a {
    color: var(--vscode-textLink-foreground);
  }
  button {
    font: inherit;
    color: inherit;
    background: none;
    border: 0;
    padding: 0;
    cursor: pointer;
    text-align: inherit;
  }
  .tool {
    min-width: 26px;
    height: 26px;
    padding: 0 6px;
    border-radius: 4px;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    border: 1px solid var(--vscode-contrastBorder, transparent);
  }
  .tool:hover {
    background: var(--vscode-toolbar-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  .tool[aria-pressed='true'] {
    background: var(--vscode-toolbar-activeBackground, var(--vscode-toolbar-hoverBackground));
    border-color: var(--vscode-contrastActiveBorder, var(--vscode-focusBorder));
  }
  .tool svg {
    width: 16px;
    height: 16px;
  }
  :focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  table {
    border-collapse: collapse;
    width: 100%;
  }
  th,
  td {
    text-align: left;
    padding: 4px 12px 4px 0;
    vertical-align: baseline;
    font-weight: normal;
  }
  th {
    color: var(--vscode-descriptionForeground);
    white-space: nowrap;
  }
  thead th {
    border-bottom: 1px solid var(--mcpx-border);
  }
  td.number,
  th.number {
    text-align: right;
    font-variant-numeric: tabular-nums;
    white-space: nowrap;
  }
  .card {
    border: 1px solid var(--mcpx-border);
    border-radius: 6px;
    background: var(--mcpx-card);
    padding: 12px 14px;
  }
  summary {
    cursor: pointer;
    list-style: none;
    border-radius: 4px;
  }
  summary::-webkit-details-marker {
    display: none;
  }
  summary .row::before,
  summary.plain::before {
    content: '▸';
    display: inline-block;
    width: 10px;
    margin-right: 4px;
    color: var(--vscode-descriptionForeground);
  }
  details[open] > summary .row::before,
  details[open] > summary.plain::before {
    content: '▾';
  }
  @media (prefers-reduced-motion: no-preference) {
    .spin {
      animation: spin 1.6s linear infinite;
      transform-origin: 50% 50%;
    }
    @keyframes spin {
      to {
        transform: rotate(360deg);
      }
    }
  }
`;

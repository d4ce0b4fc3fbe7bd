/** Where the parts of the graph's page stand. */
import {css} from 'lit';

export const graphStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    min-width: 0;
  }
  header {
    display: flex;
    align-items: center;
    gap: 8px;
    padding: 6px 12px 6px 8px;
    border-bottom: 1px solid var(--mcpx-border);
    min-width: 0;
  }
  header h1 {
    font-size: 1.08em;
    flex: 0 1 auto;
    min-width: 60px;
  }
  header .facts {
    flex: 0 1 auto;
  }
  header vscode-textfield {
    width: 190px;
    flex: 0 1 190px;
    min-width: 90px;
  }
  .matches:empty {
    display: none;
  }
  .matches {
    white-space: nowrap;
  }
  .body {
    flex: 1 1 auto;
    min-height: 0;
    display: flex;
  }
  .outline {
    width: 230px;
    flex: none;
    border-right: 1px solid var(--mcpx-border);
    background: var(--vscode-sideBar-background);
    display: flex;
  }
  .outline mcpx-graph-outline {
    flex: 1 1 auto;
  }
  .stage {
    flex: 1 1 auto;
    position: relative;
    min-width: 0;
    display: flex;
  }
  mcpx-graph-canvas {
    flex: 1 1 auto;
  }
  aside {
    width: min(340px, 45%);
    flex: none;
    border-left: 1px solid var(--mcpx-border);
    background: var(--vscode-sideBar-background);
    display: flex;
    min-height: 0;
  }
  mcpx-task-details {
    flex: 1 1 auto;
    min-width: 0;
  }
  .tools {
    position: absolute;
    right: 12px;
    bottom: 12px;
    display: flex;
    gap: 2px;
    padding: 2px;
    background: var(--mcpx-card);
    border: 1px solid var(--mcpx-border);
    border-radius: 6px;
  }
  .legend {
    position: absolute;
    left: 12px;
    bottom: 12px;
    right: 120px;
    display: flex;
    flex-wrap: wrap;
    gap: 4px 14px;
    pointer-events: none;
    width: fit-content;
    padding: 4px 10px;
    background: var(--mcpx-card);
    border: 1px solid var(--mcpx-border);
    border-radius: 6px;
  }
  .legend .row {
    gap: 5px;
    white-space: nowrap;
  }
  .legend .sign {
    width: 13px;
    height: 13px;
  }
  .legend .line {
    width: 16px;
    border-top: 3px solid var(--mcpx-lost);
  }
  .empty {
    margin: auto;
    padding: 24px;
    text-align: center;
  }
  /* Beside a text there is height rather than width. */
  @media (max-width: 640px) {
    .body {
      flex-direction: column;
    }
    .outline {
      width: auto;
      flex: 0 0 32%;
      min-height: 0;
      border-right: 0;
      border-bottom: 1px solid var(--mcpx-border);
    }
    aside {
      width: auto;
      flex: 0 0 45%;
      border-left: 0;
      border-top: 1px solid var(--mcpx-border);
    }
    .facts {
      display: none;
    }
  }
`;

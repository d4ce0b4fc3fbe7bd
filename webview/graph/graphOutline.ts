/**
 * The graph as a tree for keyboards and screen readers: a canvas says nothing. Only what is in view is in the document; the active row moves the
 * canvas along.
 */
import {css, html, nothing, type TemplateResult} from 'lit';
import {define, McpxElement} from '../shell/element.ts';
import {plural, t} from '../shell/l10n.ts';
import {styled} from '../shell/styled.ts';
import {stateSign} from '../theme/icons.ts';
import {LOOKS} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {parentOf} from './graphModel.ts';
import {moveIn, type OutlineMove, type OutlineRow, outlineRows, typeahead} from './outlineRows.ts';
import {type Scene, tally} from './scene.ts';

const ROW_HEIGHT = 24;
const OVERSCAN = 8;
const TYPEAHEAD_MS = 700;

const MOVES: Readonly<Record<string, OutlineMove>> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  Home: 'first',
  End: 'last',
  PageUp: 'pageUp',
  PageDown: 'pageDown',
};

export class GraphOutline extends McpxElement {
  static override properties = {scene: {attribute: false}, version: {attribute: false}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-height: 0;
        position: relative;
      }
      .tree {
        position: absolute;
        inset: 0;
        overflow: auto;
        contain: strict;
      }
      .tree:focus-visible {
        outline-offset: -1px;
      }
      .spacer {
        position: relative;
        height: var(--height);
      }
      .item {
        position: absolute;
        left: 0;
        right: 0;
        top: var(--top);
        height: ${ROW_HEIGHT}px;
        display: flex;
        align-items: center;
        gap: 6px;
        padding: 0 10px 0 var(--indent);
        cursor: pointer;
        white-space: nowrap;
      }
      .item:hover {
        background: var(--vscode-list-hoverBackground);
      }
      .item[aria-selected='true'] {
        background: var(--vscode-list-inactiveSelectionBackground);
      }
      .tree:focus .item.active {
        background: var(--vscode-list-activeSelectionBackground);
        color: var(--vscode-list-activeSelectionForeground);
        outline: 1px solid var(--vscode-focusBorder);
        outline-offset: -1px;
      }
      .item .part {
        flex: none;
        max-width: 45%;
      }
      .item .sign {
        flex: none;
        width: 14px;
        height: 14px;
      }
      .stage {
        font-weight: 600;
      }
      .stage-name {
        display: flex;
        flex: 1 1 auto;
        gap: 6px;
      }
      .stage-name::before {
        content: '▾';
        width: 12px;
        text-align: center;
      }
      .stage-name.closed::before {
        content: '▸';
      }
      .stage-name::after {
        content: attr(data-count);
        margin-left: auto;
        font-weight: normal;
      }
    `,
  ];

  scene: Scene | undefined;
  /** Rises when looks or details changed. */
  version = 0;
  private readonly closed = new Set<number>();
  private rows: readonly OutlineRow[] = [];
  private active = 0;
  private typed = '';
  private typedAt = 0;
  private top = 0;
  private height = 600;

  override connectedCallback(): void {
    super.connectedCallback();
    this.holdSize(size => {
      this.height = size?.height ?? this.height;
      this.requestUpdate();
    });
  }

  /** What is selected elsewhere becomes the active row. */
  activate(index: number): void {
    const stage = this.scene?.graph.stageOf[index];
    if (stage !== undefined && this.closed.delete(stage)) this.refreshRows();
    const at = this.rows.findIndex(row => row.kind === 'task' && row.index === index);
    if (at >= 0 && at !== this.active) this.moveTo(at, false);
  }

  override willUpdate(): void {
    this.refreshRows();
  }

  override render(): TemplateResult {
    const {rows} = this;
    const first = Math.max(0, Math.floor(this.top / ROW_HEIGHT) - OVERSCAN);
    const last = Math.min(rows.length, Math.ceil((this.top + this.height) / ROW_HEIGHT) + OVERSCAN);
    const shown = Array.from({length: Math.max(0, last - first)}, (_none, offset) => first + offset);
    // The active row is in the document wherever the list is scrolled to.
    if (this.active < rows.length && !shown.includes(this.active)) shown.push(this.active);
    return html`<div
      class="tree"
      role="tree"
      tabindex="0"
      aria-label=${t('Tasks by stage')}
      aria-activedescendant=${rows.length > 0 ? `row-${this.active}` : nothing}
      @keydown=${this.onKey}
      @scroll=${this.onScroll}
      @focus=${() => this.tellFocus(true)}
      @blur=${() => this.tellFocus(false)}
    >
      <div class="spacer" role="presentation" ${styled({'--height': `${rows.length * ROW_HEIGHT}px`})}>
        ${shown.map(at => this.renderRow(rows[at], at))}
      </div>
    </div>`;
  }

  private renderRow(row: OutlineRow | undefined, at: number): TemplateResult | typeof nothing {
    const {scene} = this;
    if (!row || !scene) return nothing;
    const isStage = row.kind === 'stage';
    const place = {'--top': `${at * ROW_HEIGHT}px`, '--indent': isStage ? '6px' : '26px'};
    return html`<div
      id=${`row-${at}`}
      class="item ${isStage ? 'stage' : ''} ${at === this.active ? 'active' : ''}"
      role="treeitem"
      aria-level=${isStage ? 1 : 2}
      aria-posinset=${row.position}
      aria-setsize=${row.siblings}
      aria-expanded=${isStage ? String(!this.closed.has(row.stage)) : nothing}
      aria-selected=${!isStage && row.index === scene.selected ? 'true' : 'false'}
      aria-label=${isStage ? this.stageLabel(row.stage) : this.taskLabel(row.index)}
      ${styled(place)}
      @click=${() => this.onClick(at)}
    >
      ${isStage ? this.renderStage(row.stage) : this.renderTask(row.index)}
    </div>`;
  }

  private renderStage(stage: number): TemplateResult {
    const count = this.scene?.graph.stages[stage]?.length ?? 0;
    return html`<span class="stage-name ${this.closed.has(stage) ? 'closed' : ''}" data-count=${count}>
      ${t('Stage {0}', stage + 1)}
    </span>`;
  }

  private renderTask(index: number): TemplateResult {
    const node = this.scene?.graph.nodes[index];
    const mark = this.scene?.marks[index];
    return html`${stateSign(this.scene?.looks[index] ?? 'planned')}
      <span class="clip grow">${node?.title}</span>${mark ? html`<span class="quiet clip part">${mark}</span>` : nothing}`;
  }

  private stageLabel(stage: number): string {
    const scene = this.scene;
    if (!scene) return '';
    const counts = tally(scene, stage).map(([look, count]) => `${count} ${t(LOOKS[look].label)}`);
    const tasks = plural(scene.graph.stages[stage]?.length ?? 0, '1 task', '{0} tasks');
    return `${t('Stage {0}', stage + 1)}, ${tasks}: ${counts.join(', ')}`;
  }

  /** Edges as words. */
  private taskLabel(index: number): string {
    const scene = this.scene;
    if (!scene) return '';
    const {nodes, inputs, outputs} = scene.graph;
    const names = (indexes: readonly number[]): string => {
      const shown = indexes.slice(0, 4).map(other => nodes[other]?.title ?? '');
      const more = indexes.length - shown.length;
      return more > 0 ? `${shown.join(', ')}, ${plural(more, 'one more', '{0} more')}` : shown.join(', ');
    };
    const parts = [nodes[index]?.title ?? '', t(LOOKS[scene.looks[index] ?? 'planned'].label)];
    const detail = scene.details[index];
    const parent = parentOf(scene.graph, index);
    if (parent) parts.push(t('part of {0}', parent.title));
    if (detail) parts.push(detail);
    if (scene.critical.has(index)) parts.push(t('on the critical path'));
    const before = inputs[index] ?? [];
    const after = outputs[index] ?? [];
    if (before.length > 0) parts.push(t('after {0}', names(before)));
    if (after.length > 0) parts.push(t('before {0}', names(after)));
    return parts.join(', ');
  }

  private refreshRows(): void {
    const {scene} = this;
    this.rows = scene ? outlineRows(scene.graph, this.closed, scene.matches) : [];
    this.active = Math.max(0, Math.min(this.active, this.rows.length - 1));
  }

  private onScroll(event: Event): void {
    this.top = (event.currentTarget as HTMLElement).scrollTop;
    this.requestUpdate();
  }

  private onClick(at: number): void {
    this.moveTo(at, true);
    const row = this.rows[at];
    if (row?.kind === 'stage') this.toggle(row.stage, !this.closed.has(row.stage));
    else this.choose();
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.rows[this.active];
    const move = MOVES[event.key];
    if (move) {
      const page = Math.max(1, Math.floor(this.height / ROW_HEIGHT) - 1);
      this.moveTo(moveIn(this.rows.length, this.active, move, page), true);
    } else if (event.key === 'ArrowRight' && row?.kind === 'stage') this.toggle(row.stage, false);
    else if (event.key === 'ArrowLeft' && row) this.outwards(row);
    else if (event.key === 'Enter' || event.key === ' ') {
      if (row?.kind === 'stage') this.toggle(row.stage, !this.closed.has(row.stage));
      else this.choose();
    } else if (event.key.length === 1) this.typeAhead(event);
    else return;
    event.preventDefault();
  }

  private outwards(row: OutlineRow): void {
    if (row.kind === 'stage') this.toggle(row.stage, true);
    else
      this.moveTo(
        this.rows.findIndex(other => other.kind === 'stage' && other.stage === row.stage),
        true,
      );
  }

  private typeAhead(event: KeyboardEvent): void {
    this.typed = event.timeStamp - this.typedAt < TYPEAHEAD_MS ? this.typed + event.key : event.key;
    this.typedAt = event.timeStamp;
    const textOf = (row: OutlineRow): string =>
      row.kind === 'stage'
        ? t('Stage {0}', row.stage + 1)
        : (this.scene?.graph.nodes[row.index]?.title ?? '');
    const found = typeahead(this.rows, this.active, this.typed, textOf);
    if (found !== undefined) this.moveTo(found, true);
  }

  private toggle(stage: number, close: boolean): void {
    if (close) this.closed.add(stage);
    else this.closed.delete(stage);
    this.requestUpdate();
  }

  private moveTo(at: number, tell: boolean): void {
    if (at < 0) return;
    this.active = at;
    const tree = this.renderRoot.querySelector('.tree');
    if (tree) {
      const top = at * ROW_HEIGHT;
      if (top < tree.scrollTop) tree.scrollTop = top;
      else if (top + ROW_HEIGHT > tree.scrollTop + tree.clientHeight)
        tree.scrollTop = top + ROW_HEIGHT - tree.clientHeight;
      this.top = tree.scrollTop;
    }
    this.requestUpdate();
    const row = this.rows[at];
    if (tell && row?.kind === 'task') this.dispatchEvent(new CustomEvent('activate', {detail: row.index}));
  }

  private choose(): void {
    const row = this.rows[this.active];
    if (row?.kind === 'task') this.dispatchEvent(new CustomEvent('choose', {detail: row.index}));
  }

  private tellFocus(focused: boolean): void {
    this.dispatchEvent(new CustomEvent('outline-focus', {detail: focused}));
  }
}
define('mcpx-graph-outline', GraphOutline);

/** The task graph of a session, live, or of a plan that has not run: canvas, outline and details. What it is about, and its graph, is shownGraph.ts. */

import {html, nothing, type PropertyValues, type TemplateResult} from 'lit';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {define, McpxElement} from '../shell/element.ts';
import {plural, t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon} from '../theme/icons.ts';
import {lookOfSession} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {GraphCanvas} from './graphCanvas.ts';
import {GraphOutline} from './graphOutline.ts';
import {legend, toolButton} from './graphParts.ts';
import {graphStyles} from './graphStyles.ts';
import {sessionFacts, taskDetail} from './graphTexts.ts';
import type {Layout} from './layout.ts';
import {LayoutService} from './layoutService.ts';
import {makeScene, type Scene, setLook} from './scene.ts';
import {markCritical, markSearch, markSelected, nextMatch} from './sceneMarks.ts';
import {type GraphState, ShownGraph} from './shownGraph.ts';
import './taskDetails.ts';
import {type TaskShown, taskShown} from './taskShown.ts';

/** The chain of most weight, and everything that shows elapsed time, is computed anew this often. */
const SLOW_MS = 1000;
const TELL_MS = 150;
/** Their elapsed time is shown. */
const BUSY: ReadonlySet<string> = new Set(['assigned', 'running', 'verifying']);

export class GraphPage extends McpxElement {
  static override properties = {
    state: {attribute: false},
    context: {attribute: false},
    version: {state: true},
    selected: {state: true},
    search: {state: true},
    outlineOpen: {state: true},
    collapsed: {state: true},
    past: {attribute: false},
    embedded: {type: Boolean, reflect: true},
  };

  static override styles = [shared, graphStyles];

  context!: PageContext;
  state!: GraphState;
  version = 0;
  selected: string | undefined;
  search = '';
  outlineOpen = true;
  collapsed = false;
  /** Rows as they were, instead of those that are. */
  past: ReadonlyMap<string, Row> | undefined;
  /** Inside another page, which has a header of its own. */
  embedded = false;
  private shownOf: string | undefined;
  private readonly shown = new ShownGraph({
    reshaped: graph => this.layouts?.layOut(graph),
    changed: taskIds => this.refreshTasks(taskIds),
    told: () => this.tellSoon(),
    troubled: () => {
      this.version += 1;
    },
  });
  private scene: Scene | undefined;
  private layouts: LayoutService | undefined;
  private slow: Disposable = noDisposable;
  private telling: Disposable = noDisposable;

  override connectedCallback(): void {
    super.connectedCallback();
    this.layouts = this.hold(new LayoutService(this.context.workerUrl, layout => this.onLayout(layout)));
    this.hold(this.shown);
    this.hold({
      dispose: () => {
        this.slow.dispose();
        this.telling.dispose();
        this.telling = noDisposable;
      },
    });
    this.shownOf = undefined;
    this.shown.forgetShape();
    this.outlineOpen = !this.embedded;
    this.refreshSlowly();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('past')) {
      this.shown.past = this.past;
      if (this.shownOf !== undefined) this.shown.refresh();
    }
    if (!changed.has('state')) return;
    const of = this.state.page === 'graph' ? this.state.sessionId : this.state.uri;
    if (of !== this.shownOf) this.followState(of);
    if (this.state.page === 'graph' && this.state.taskId !== this.selected)
      this.select(this.state.taskId, true);
  }

  private followState(of: string): void {
    this.shownOf = of;
    this.scene = undefined;
    this.selected = undefined;
    this.shown.follow(this.state, this.context.feed);
  }

  /** The canvas draws every change; words beside it follow a few times a second. */
  private tellSoon(): void {
    if (this.telling !== noDisposable) return;
    this.telling = systemClock.schedule(TELL_MS, () => {
      this.telling = noDisposable;
      this.version += 1;
    });
  }

  private onLayout(layout: Layout): void {
    const {graph} = this.shown;
    if (!graph || layout.x.length !== graph.nodes.length) return;
    const sameGraph = this.scene?.graph === graph;
    this.scene = makeScene(graph, layout);
    this.refreshTasks(graph.indexOf.keys());
    this.mark();
    this.canvas?.show(this.scene, sameGraph);
    this.version += 1;
  }

  /** Those that look different now are drawn. */
  private refreshTasks(taskIds: Iterable<string>): void {
    const {scene, canvas} = this;
    if (!scene) return;
    const wallNow = systemClock.wallNow();
    for (const taskId of taskIds) {
      const index = scene.graph.indexOf.get(taskId);
      if (index === undefined) continue;
      if (setLook(scene, index, this.shown.live.lookOf(taskId), taskDetail(this.shown.live, taskId, wallNow)))
        canvas?.redrawNode(index);
    }
  }

  private refreshSlowly(): void {
    this.slow = systemClock.schedule(SLOW_MS, () => {
      const busy = [...this.shown.live.tasks.values()].filter(({state}) => BUSY.has(state));
      this.refreshTasks(busy.map(({id}) => id));
      if (this.scene && markCritical(this.scene, this.shown.live, systemClock.wallNow()))
        this.canvas?.redraw();
      this.version += 1;
      this.refreshSlowly();
    });
  }

  private mark(): void {
    const {scene, selected} = this;
    if (!scene) return;
    markCritical(scene, this.shown.live, systemClock.wallNow());
    markSearch(scene, this.search);
    this.markSelected(scene, selected);
  }

  private markSelected(scene: Scene, taskId: string | undefined): void {
    const index = taskId === undefined ? undefined : scene.graph.indexOf.get(taskId);
    markSelected(scene, index);
    if (index !== undefined) this.outline?.activate(index);
  }

  private select(taskId: string | undefined, reveal: boolean): void {
    this.selected = taskId;
    if (this.scene) this.markSelected(this.scene, taskId);
    if (reveal && this.scene?.selected !== undefined) this.canvas?.reveal(this.scene.selected);
    this.canvas?.redraw();
    if (this.state.page === 'graph' && this.state.taskId !== taskId)
      this.context.remember({page: 'graph', sessionId: this.state.sessionId, taskId});
  }

  private selectIndex(index: number | undefined, reveal: boolean): void {
    this.select(index === undefined ? undefined : this.scene?.graph.nodes[index]?.id, reveal);
  }

  /** The outline's active row is the canvas's focus; the details follow it when they are open. */
  private onActivate(index: number): void {
    if (!this.scene) return;
    if (this.selected !== undefined) this.selectIndex(index, true);
    else {
      markSelected(this.scene, index);
      this.canvas?.reveal(index);
    }
  }

  private get canvas(): GraphCanvas | undefined {
    const found = this.renderRoot.querySelector('mcpx-graph-canvas');
    return found instanceof GraphCanvas ? found : undefined;
  }

  private get outline(): GraphOutline | undefined {
    const found = this.renderRoot.querySelector('mcpx-graph-outline');
    return found instanceof GraphOutline ? found : undefined;
  }

  override updated(): void {
    // The canvas comes with the first scene.
    const {canvas} = this;
    if (canvas && this.scene && canvas.framesDrawn === 0) canvas.show(this.scene, false);
  }

  override render(): TemplateResult {
    return html`
      ${this.renderHeader()}
      <div class="body">
        ${
          this.outlineOpen && this.scene
            ? html`<div class="outline">
              <mcpx-graph-outline
                .scene=${this.scene}
                .version=${this.version}
                @activate=${(event: CustomEvent<number>) => this.onActivate(event.detail)}
                @choose=${(event: CustomEvent<number>) => this.selectIndex(event.detail, true)}
                @outline-focus=${(event: CustomEvent<boolean>) => this.canvas?.setFocused(event.detail)}
              ></mcpx-graph-outline>
            </div>`
            : nothing
        }
        <div class="stage">${this.scene ? this.renderCanvas() : this.renderEmpty()}</div>
        ${this.renderDetails()}
      </div>
    `;
  }

  private renderCanvas(): TemplateResult {
    return html`<mcpx-graph-canvas
        @pick=${(event: CustomEvent<number | undefined>) => this.selectIndex(event.detail, false)}
      ></mcpx-graph-canvas>
      <div class="tools" role="toolbar" aria-label=${t('View')}>
        ${toolButton('minus', t('Zoom out'), () => this.canvas?.zoomBy(1 / 1.3))}
        ${toolButton('plus', t('Zoom in'), () => this.canvas?.zoomBy(1.3))}
        ${toolButton('fit', t('Show all'), () => this.canvas?.fit())}
      </div>
      ${this.scene ? legend(this.scene) : nothing}`;
  }

  private renderEmpty(): TemplateResult {
    const {trouble, isGone} = this.shown;
    return html`<div class="empty quiet" role="status">
      ${trouble ?? (isGone ? t('This session is not there any more.') : t('Drawing the graph…'))}
    </div>`;
  }

  private renderHeader(): TemplateResult {
    const {session} = this.shown.live;
    const title =
      this.state.page === 'draft' ? this.state.title : (session?.name ?? this.shown.plan?.name ?? '');
    return html`<header>
      ${toolButton('outline', t('Outline'), () => this.toggle('outlineOpen'), this.outlineOpen)}
      ${session ? stateIcon(lookOfSession(session.state), t(session.state)) : nothing}
      <h1 class="clip">${title}</h1>
      <span class="quiet clip facts">${sessionFacts(this.shown.live, this.shown.plan)}</span>
      <span class="grow"></span>
      <vscode-textfield
        type="search"
        label=${t('Find a task')}
        placeholder=${t('Find a task')}
        .value=${this.search}
        @input=${this.onSearch}
        @keydown=${this.onSearchKey}
      ></vscode-textfield>
      <span class="quiet matches" role="status">${this.matchText()}</span>
      ${toolButton('stages', t('Collapse to stages'), () => this.toggle('collapsed'), this.collapsed)}
      ${this.renderHeaderActions()}
    </header>`;
  }

  private renderHeaderActions(): TemplateResult | typeof nothing {
    const {feed} = this.context;
    if (this.embedded) return nothing;
    if (this.state.page === 'draft')
      return html`<mcpx-action .feed=${feed} .action=${{kind: 'accept-draft', uri: this.state.uri}} label=${t('Run')} primary>
      </mcpx-action>`;
    const {sessionId} = this.state;
    return html`<mcpx-action .feed=${feed} .action=${{kind: 'session', sessionId, command: 'openSession'}} label=${t('Open Session')}>
    </mcpx-action>`;
  }

  private matchText(): string {
    const matches = this.scene?.matches;
    return matches ? plural(matches.size, '1 found', '{0} found') : '';
  }

  private renderDetails(): TemplateResult | typeof nothing {
    const shown = this.taskShown();
    if (!shown) return nothing;
    return html`<aside aria-label=${t('Task')}>
      <mcpx-task-details
        .context=${this.context}
        .shown=${shown}
        .wallNow=${systemClock.wallNow()}
        @select-task=${(event: CustomEvent<string | undefined>) => this.select(event.detail, true)}
      ></mcpx-task-details>
    </aside>`;
  }

  private taskShown(): TaskShown | undefined {
    const {selected, state} = this;
    const {graph, live} = this.shown;
    const index = selected === undefined ? undefined : graph?.indexOf.get(selected);
    if (!graph || index === undefined) return undefined;
    const sessionId = state.page === 'graph' ? state.sessionId : undefined;
    return taskShown(graph, live, index, {
      sessionId,
      isCritical: this.scene?.critical.has(index) ?? false,
    });
  }

  private toggle(what: 'outlineOpen' | 'collapsed'): void {
    this[what] = !this[what];
    if (what === 'collapsed') this.canvas?.setCollapse(this.collapsed ? 'always' : 'auto');
  }

  private onSearch(event: Event): void {
    this.search = (event.currentTarget as HTMLElement & {value: string}).value;
    if (this.scene) markSearch(this.scene, this.search);
    this.canvas?.redraw();
  }

  /** Enter goes from match to match. */
  private onSearchKey(event: KeyboardEvent): void {
    if (event.key !== 'Enter') return;
    const match = this.scene && nextMatch(this.scene, event.shiftKey);
    if (match !== undefined) this.selectIndex(match, true);
  }
}
define('mcpx-graph-page', GraphPage);

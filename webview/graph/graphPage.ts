/** The task graph of a session, live, or of a plan that has not run: canvas, outline and details, fed by topics. */
import {html, nothing, type PropertyValues, type TemplateResult} from 'lit';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {type Dirty, RowStore} from '../feed/rowStore.ts';
import type {PageState} from '../messages.ts';
import {define, McpxElement} from '../shell/element.ts';
import {dollars, duration} from '../shell/format.ts';
import {plural, t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon, stateSign, toolIcon} from '../theme/icons.ts';
import {LOOKS, lookOfSession} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {GraphCanvas} from './graphCanvas.ts';
import {addedTo, buildGraph, type Graph} from './graphModel.ts';
import {GraphOutline} from './graphOutline.ts';
import {graphStyles} from './graphStyles.ts';
import type {Layout} from './layout.ts';
import {LayoutService} from './layoutService.ts';
import {criticalChain, LiveTasks} from './liveTasks.ts';
import {edgePath, makeScene, type Scene, setLook, tally} from './scene.ts';
import './taskDetails.ts';
import type {TaskShown} from './taskDetails.ts';

type GraphState = Extract<PageState, {page: 'graph' | 'draft'}>;

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
  private following: Disposable = noDisposable;
  private live = new LiveTasks('');
  private rows: RowStore | undefined;
  private plan: Plan | undefined;
  private trouble: string | undefined;
  private graph: Graph | undefined;
  private scene: Scene | undefined;
  private layouts: LayoutService | undefined;
  private slow: Disposable = noDisposable;
  private telling: Disposable = noDisposable;
  private shape = '';
  /** What the graph was built from. */
  private drawnPlan: Plan | undefined;
  private added = '';

  override connectedCallback(): void {
    super.connectedCallback();
    this.layouts = this.hold(new LayoutService(this.context.workerUrl, layout => this.onLayout(layout)));
    this.hold({dispose: () => this.following.dispose()});
    this.hold({
      dispose: () => {
        this.slow.dispose();
        this.telling.dispose();
        this.telling = noDisposable;
      },
    });
    this.shownOf = undefined;
    this.shape = '';
    this.outlineOpen = !this.embedded;
    this.refreshSlowly();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('past') && this.shownOf !== undefined) this.onRows('all');
    if (!changed.has('state')) return;
    const of = this.state.page === 'graph' ? this.state.sessionId : this.state.uri;
    if (of !== this.shownOf) this.followState(of);
    if (this.state.page === 'graph' && this.state.taskId !== this.selected)
      this.select(this.state.taskId, true);
  }

  private followState(of: string): void {
    this.following.dispose();
    this.shownOf = of;
    this.plan = undefined;
    this.graph = undefined;
    this.scene = undefined;
    this.rows = undefined;
    this.selected = undefined;
    this.shape = '';
    const {feed} = this.context;
    if (this.state.page === 'draft') {
      this.live = new LiveTasks('');
      this.following = feed.followDraft(event => {
        if (event.kind === 'plan') this.usePlan(event.plan);
      });
      return;
    }
    const {sessionId} = this.state;
    this.live = new LiveTasks(sessionId);
    const rows = new RowStore(feed, {kind: 'session', sessionId}, dirty => this.onRows(dirty));
    this.rows = rows;
    const plan = feed.follow({kind: 'plan', sessionId}, event => {
      if (event.kind === 'plan') this.usePlan(event.plan);
      else if (event.kind === 'failed') {
        this.trouble = event.message;
        this.version += 1;
      }
    });
    this.following = {
      dispose() {
        plan.dispose();
        rows.dispose();
      },
    };
  }

  private usePlan(plan: Plan): void {
    this.plan = plan;
    this.trouble = undefined;
    this.reshape();
  }

  private onRows(dirty: Dirty): void {
    if (!this.rows || (this.past && dirty !== 'all')) return;
    const {changed, reshaped} = this.live.apply(this.past ?? this.rows.rows, dirty);
    if (reshaped) this.reshape();
    else this.refreshTasks(changed);
    this.tellSoon();
  }

  /** The canvas draws every change; words beside it follow a few times a second. */
  private tellSoon(): void {
    if (this.telling !== noDisposable) return;
    this.telling = systemClock.schedule(TELL_MS, () => {
      this.telling = noDisposable;
      this.version += 1;
    });
  }

  /** Tasks came or went, or the plan arrived. */
  private reshape(): void {
    // Rows before their plan would be drawn as tasks without edges.
    if (!this.plan) return;
    const added = addedTo(this.plan, this.live.tasks.values());
    const key = added.map(({id, mergeFor}) => `${id}<${mergeFor ?? ''}`).join(';');
    if (this.graph && this.plan === this.drawnPlan && key === this.added) {
      this.refreshTasks(this.graph.indexOf.keys());
      return;
    }
    this.drawnPlan = this.plan;
    this.added = key;
    const graph = buildGraph(this.plan, added);
    const shape = graph.nodes
      .map(({id, title}, at) => `${id} ${title}<${graph.inputs[at]?.join()}`)
      .join(';');
    if (shape === this.shape && this.graph) {
      this.refreshTasks(graph.indexOf.keys());
      return;
    }
    this.shape = shape;
    this.graph = graph;
    this.layouts?.layOut(graph);
  }

  private onLayout(layout: Layout): void {
    const {graph} = this;
    if (!graph || layout.x.length !== graph.nodes.length) return;
    const sameGraph = this.scene?.graph === graph;
    this.scene = makeScene(graph, layout);
    this.refreshTasks(graph.indexOf.keys());
    this.markCritical();
    this.markSearch();
    this.markSelected();
    this.canvas?.show(this.scene, sameGraph);
    this.version += 1;
  }

  /** Those that look different now are drawn. */
  private refreshTasks(taskIds: Iterable<string>): void {
    const {scene, canvas} = this;
    if (!scene) return;
    for (const taskId of taskIds) {
      const index = scene.graph.indexOf.get(taskId);
      if (index === undefined) continue;
      if (setLook(scene, index, this.live.lookOf(taskId), this.detailOf(taskId))) canvas?.redrawNode(index);
    }
  }

  private detailOf(taskId: string): string {
    const task = this.live.tasks.get(taskId);
    if (!task) return '';
    if (task.waitingFor && task.state === 'ready') return task.waitingFor.message;
    const latest = this.live.attemptsOf(taskId).at(-1);
    if (!latest || task.state === 'pending' || task.state === 'ready') return '';
    const took = Math.max(
      0,
      (latest.endedAt ?? systemClock.wallNow()) - (latest.startedAt ?? latest.assignedAt),
    );
    const tries = latest.number > 1 ? ` · ${t('attempt {0}', latest.number)}` : '';
    return `${latest.agentId} · ${duration(took)}${tries}`;
  }

  private refreshSlowly(): void {
    this.slow = systemClock.schedule(SLOW_MS, () => {
      const busy = [...this.live.tasks.values()].filter(({state}) => BUSY.has(state));
      this.refreshTasks(busy.map(({id}) => id));
      if (this.markCritical()) this.canvas?.redraw();
      this.version += 1;
      this.refreshSlowly();
    });
  }

  /** Whether it is another chain. */
  private markCritical(): boolean {
    const {graph, scene} = this;
    if (!graph || !scene || graph.nodes.length < 2) return false;
    const path = criticalChain(graph, this.live, systemClock.wallNow());
    if (path.length === scene.critical.size && path.every(index => scene.critical.has(index))) return false;
    scene.critical = new Set(path);
    const next = new Map(path.map((index, at) => [index, path[at + 1]]));
    scene.criticalEdges = edgePath(scene, (from, to) => next.get(from) === to);
    return true;
  }

  private markSearch(): void {
    const {scene} = this;
    if (!scene) return;
    const wanted = this.search.trim().toLocaleLowerCase();
    scene.matches =
      wanted === ''
        ? undefined
        : new Set(
            scene.graph.nodes.flatMap(({id, title}, index) =>
              id.toLocaleLowerCase().includes(wanted) || title.toLocaleLowerCase().includes(wanted)
                ? [index]
                : [],
            ),
          );
  }

  private markSelected(): void {
    const {scene, selected} = this;
    if (!scene) return;
    const index = selected === undefined ? undefined : scene.graph.indexOf.get(selected);
    scene.selected = index;
    scene.selectedEdges = edgePath(
      scene,
      (from, to) => index !== undefined && (from === index || to === index),
    );
    if (index !== undefined) this.outline?.activate(index);
  }

  private select(taskId: string | undefined, reveal: boolean): void {
    this.selected = taskId;
    this.markSelected();
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
      this.scene.selected = index;
      this.scene.selectedEdges = edgePath(this.scene, (from, to) => from === index || to === index);
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
        ${this.tool('minus', t('Zoom out'), () => this.canvas?.zoomBy(1 / 1.3))}
        ${this.tool('plus', t('Zoom in'), () => this.canvas?.zoomBy(1.3))}
        ${this.tool('fit', t('Show all'), () => this.canvas?.fit())}
      </div>
      ${this.renderLegend()}`;
  }

  private renderEmpty(): TemplateResult {
    const trouble = this.trouble ?? this.rows?.failure;
    const gone = this.rows?.revision !== undefined && !this.live.session;
    return html`<div class="empty quiet" role="status">
      ${trouble ?? (gone ? t('This session is not there any more.') : t('Drawing the graph…'))}
    </div>`;
  }

  private tool(
    name: Parameters<typeof toolIcon>[0],
    label: string,
    run: () => void,
    pressed?: boolean,
  ): TemplateResult {
    return html`<button class="tool" aria-label=${label} title=${label} aria-pressed=${pressed ?? nothing} @click=${run}>
      ${toolIcon(name)}
    </button>`;
  }

  private renderHeader(): TemplateResult {
    const {session} = this.live;
    const title = this.state.page === 'draft' ? this.state.title : (session?.name ?? this.plan?.name ?? '');
    return html`<header>
      ${this.tool('outline', t('Outline'), () => this.toggle('outlineOpen'), this.outlineOpen)}
      ${session ? stateIcon(lookOfSession(session.state), t(session.state)) : nothing}
      <h1 class="clip">${title}</h1>
      <span class="quiet clip facts">${this.factsText()}</span>
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
      ${this.tool('stages', t('Collapse to stages'), () => this.toggle('collapsed'), this.collapsed)}
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

  private factsText(): string {
    const {session} = this.live;
    if (!session) {
      const tasks = this.plan?.tasks.length;
      return tasks === undefined ? '' : plural(tasks, '1 task, not started', '{0} tasks, not started');
    }
    const {counts, spentUsd, budgetUsd} = session;
    const cost =
      budgetUsd === undefined ? dollars(spentUsd) : t('{0} of {1}', dollars(spentUsd), dollars(budgetUsd));
    return `${t('{0} of {1} tasks done', counts.succeeded, counts.total)} · ${cost}`;
  }

  private matchText(): string {
    const matches = this.scene?.matches;
    return matches ? plural(matches.size, '1 found', '{0} found') : '';
  }

  private renderLegend(): TemplateResult | typeof nothing {
    if (!this.scene) return nothing;
    return html`<div class="legend">
      ${[...tally(this.scene)].map(
        ([look, count]) =>
          html`<span class="row">${stateSign(look)}<span>${count} ${t(LOOKS[look].label)}</span></span>`,
      )}
      ${this.scene.critical.size > 1 ? html`<span class="row"><span class="line"></span>${t('critical path')}</span>` : nothing}
    </div>`;
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
    const {graph, selected, live} = this;
    const index = selected === undefined ? undefined : graph?.indexOf.get(selected);
    const node = index === undefined ? undefined : graph?.nodes[index];
    if (!graph || !node || index === undefined) return undefined;
    return {
      sessionId: this.state.page === 'graph' ? this.state.sessionId : undefined,
      node,
      look: live.lookOf(node.id),
      task: live.tasks.get(node.id),
      attempts: live.attemptsOf(node.id),
      approvals: live.approvalsOf(node.id),
      waitsFor: (graph.inputs[index] ?? []).flatMap(input => {
        const other = graph.nodes[input];
        return other && live.tasks.get(other.id)?.state !== 'succeeded'
          ? [{id: other.id, title: other.title}]
          : [];
      }),
      isCritical: this.scene?.critical.has(index) ?? false,
    };
  }

  private toggle(what: 'outlineOpen' | 'collapsed'): void {
    this[what] = !this[what];
    if (what === 'collapsed') this.canvas?.setCollapse(this.collapsed ? 'always' : 'auto');
  }

  private onSearch(event: Event): void {
    this.search = (event.currentTarget as HTMLElement & {value: string}).value;
    this.markSearch();
    this.canvas?.redraw();
  }

  /** Enter goes from match to match. */
  private onSearchKey(event: KeyboardEvent): void {
    if (event.key !== 'Enter') return;
    const matches = [...(this.scene?.matches ?? [])];
    if (matches.length === 0) return;
    const at = this.scene?.selected === undefined ? -1 : matches.indexOf(this.scene.selected);
    const step = event.shiftKey ? matches.length - 1 : 1;
    this.selectIndex(
      matches[(Math.max(at, at < 0 && event.shiftKey ? 0 : at) + step) % matches.length],
      true,
    );
  }
}
define('mcpx-graph-page', GraphPage);

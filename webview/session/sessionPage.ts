/** One session: what its agents did when, gates with their evidence, the transcript of an attempt, and all of it at any moment of the past. */
import {html, nothing, type PropertyValues, type TemplateResult} from 'lit';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {Plan} from '../../coordinator/protocol/plan/plan.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {type Disposable, noDisposable} from '../../coordinator/runtime/disposable.ts';
import {RowStore} from '../feed/rowStore.ts';
import type {PageState} from '../messages.ts';
import {define, McpxElement} from '../shell/element.ts';
import {dateTime, duration} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {renderTabs, type Tab} from '../shell/tabs.ts';
import {stateIcon} from '../theme/icons.ts';
import {shared} from '../theme/tokens.ts';
import './attemptTable.ts';
import {lanesOf} from './lanes.ts';
import {PastSession} from './pastSession.ts';
import '../graph/graphPage.ts';
import './sessionHeader.ts';
import {sessionStyles} from './sessionStyles.ts';
import {attemptToShow, type GateRun, type SessionView, viewSession} from './sessionView.ts';
import './timeline.ts';
import './timeSlider.ts';
import './transcript.ts';

type SessionState = Extract<PageState, {page: 'session'}>;
type TabName = 'attempts' | 'gates' | 'graph' | 'refused' | 'memory';

/** Everything is put in order anew at most this often, and that often while time goes on. */
const REFRESH_MS = 250;
const SLOW_MS = 1000;
/** Gates shown: failed ones come first. */
const MAX_GATES = 500;

export class SessionPage extends McpxElement {
  static override properties = {
    state: {attribute: false},
    context: {attribute: false},
    version: {state: true},
    tab: {state: true},
  };

  static override styles = [shared, sessionStyles];

  context!: PageContext;
  state!: SessionState;
  version = 0;
  tab: TabName = 'attempts';
  private shownOf: string | undefined;
  private following: Disposable = noDisposable;
  private rows: RowStore | undefined;
  private plan: Plan | undefined;
  private past: PastSession | undefined;
  private view: SessionView | undefined;
  /** Of the graph inside this page: the same objects as long as the session is the same. */
  private embedded: {readonly context: PageContext; readonly state: PageState} | undefined;
  private refreshing: Disposable = noDisposable;
  private momentsAt = 0;
  private wallNow = systemClock.wallNow();

  override connectedCallback(): void {
    super.connectedCallback();
    this.shownOf = undefined;
    this.hold({
      dispose: () => {
        this.following.dispose();
        this.refreshing.dispose();
      },
    });
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('state') && this.state.sessionId !== this.shownOf)
      this.followSession(this.state.sessionId);
  }

  private followSession(sessionId: string): void {
    this.following.dispose();
    this.shownOf = sessionId;
    this.view = undefined;
    this.plan = undefined;
    this.embedded = {
      context: {...this.context, remember: () => undefined},
      state: {page: 'graph', sessionId},
    };
    const {feed} = this.context;
    this.past = new PastSession(feed, sessionId, () => this.refresh());
    const rows = new RowStore(feed, {kind: 'session', sessionId}, dirty => {
      if (dirty === 'all') this.refresh();
      else this.refreshSoon(REFRESH_MS);
    });
    this.rows = rows;
    const plan = feed.follow({kind: 'plan', sessionId}, event => {
      if (event.kind !== 'plan') return;
      this.plan = event.plan;
      this.refresh();
    });
    this.following = {
      dispose() {
        plan.dispose();
        rows.dispose();
      },
    };
    void this.past.readMoments();
  }

  private refreshSoon(ms: number): void {
    if (this.refreshing === noDisposable) this.refreshing = systemClock.schedule(ms, () => this.refresh());
  }

  private refresh(): void {
    this.refreshing.dispose();
    this.refreshing = noDisposable;
    const {rows, past} = this;
    if (!rows || !past) return;
    const shown: ReadonlyMap<string, Row> = past.shown?.rows ?? rows.rows;
    this.view = viewSession(shown, this.state.sessionId, this.plan);
    this.wallNow = past.shown?.at ?? systemClock.wallNow();
    this.version += 1;
    const now = rows.rows.get(`session/${this.state.sessionId}`);
    const last = past.moments.at(-1)?.revision ?? 0;
    if (rows.revision !== undefined && rows.revision > last && this.moved(rows.revision))
      void past.readMoments();
    // A cut connection, say: the next look asks again.
    if (past.failure !== undefined) {
      this.momentsAt = 0;
      this.refreshSoon(SLOW_MS);
    }
    if (now?.kind === 'session' && now.session.endedAt === undefined && !past.shown)
      this.refreshSoon(SLOW_MS);
  }

  private moved(revision: number): boolean {
    if (revision === this.momentsAt) return false;
    this.momentsAt = revision;
    return true;
  }

  override render(): TemplateResult {
    const {view, context, past} = this;
    if (!view || !past) return this.renderEmpty();
    const chosen = this.chosen(view);
    const isPast = past.shown !== undefined;
    return html`
      <mcpx-session-header .context=${context} .session=${view.session} .wallNow=${this.wallNow} .isPast=${isPast}>
      </mcpx-session-header>
      <mcpx-time-slider .context=${context} .past=${past} .version=${this.version} .sessionId=${this.state.sessionId}>
      </mcpx-time-slider>
      <div class="body">
        <div class="left">
          ${this.renderTimeline(view, chosen, past)} ${this.renderTabs(view, isPast)}
          <div class="panel" role="tabpanel" aria-labelledby=${`tab-${this.shownTab(view, isPast)}`}>
            ${this.renderTab(view, chosen, isPast)}
          </div>
        </div>
        <mcpx-transcript
          .context=${context}
          .attempt=${chosen}
          .heading=${chosen ? (view.titles.get(chosen.taskId) ?? chosen.taskId) : ''}
          .approvals=${isPast ? [] : view.approvals.filter(({taskId}) => taskId === chosen?.taskId)}
          .until=${chosen ? past.shown?.transcripts.get(chosen.id) : undefined}
          .isPast=${isPast}
          @focusin=${() => this.stayWith(chosen)}
        ></mcpx-transcript>
      </div>
    `;
  }

  private renderEmpty(): TemplateResult {
    if (this.past?.shown)
      return html`<div class="empty quiet" role="status">
        ${t('Nothing is known of this session at that time.')}
        <vscode-button @click=${() => this.past?.leave()}>${t('Back to Now')}</vscode-button>
      </div>`;
    const gone = this.rows?.revision !== undefined;
    return html`<div class="empty quiet" role="status">
      ${this.rows?.failure ?? (gone ? t('This session is not there any more.') : t('Reading…'))}
    </div>`;
  }

  private chosen(view: SessionView): AttemptRecord | undefined {
    return view.attempts.find(({id}) => id === this.state.attemptId) ?? attemptToShow(view);
  }

  private choose(attemptId: string): void {
    this.context.remember({page: 'session', sessionId: this.state.sessionId, attemptId});
  }

  /** Who answers, writes or selects there is not led away to the next attempt. */
  private stayWith(attempt: AttemptRecord | undefined): void {
    if (attempt && attempt.id !== this.state.attemptId) this.choose(attempt.id);
  }

  private renderTimeline(
    view: SessionView,
    chosen: AttemptRecord | undefined,
    past: PastSession,
  ): TemplateResult {
    const {createdAt, endedAt} = view.session;
    const to = Math.max(
      createdAt + 1000,
      endedAt ?? this.wallNow,
      ...view.attempts.slice(0, 50).map(({endedAt: end}) => end ?? 0),
    );
    return html`<mcpx-timeline
      .lanes=${lanesOf(view.attempts, this.wallNow)}
      .span=${{from: createdAt, to}}
      .titles=${view.titles}
      .chosen=${chosen?.id}
      .at=${past.shown?.at}
      @choose=${(event: CustomEvent<string>) => this.choose(event.detail)}
    ></mcpx-timeline>`;
  }

  private tabs(view: SessionView, isPast: boolean): Tab<TabName>[] {
    const failed = view.gateRuns.filter(({evidence}) => !evidence.passed).length;
    const tabs: Tab<TabName>[] = [
      {name: 'attempts', label: t('Attempts'), badge: String(view.attempts.length)},
      {
        name: 'gates',
        label: t('Gates'),
        badge: failed > 0 ? t('{0}, {1} failed', view.gateRuns.length, failed) : String(view.gateRuns.length),
      },
      {name: 'graph', label: t('Graph')},
    ];
    if (view.refusals.length > 0)
      tabs.push({name: 'refused', label: t('Refused'), badge: String(view.refusals.length)});
    if (isPast) tabs.push({name: 'memory', label: t('Shared State'), badge: String(view.memory.length)});
    return tabs;
  }

  private shownTab(view: SessionView, isPast: boolean): TabName {
    return this.tabs(view, isPast).some(({name}) => name === this.tab) ? this.tab : 'attempts';
  }

  private renderTabs(view: SessionView, isPast: boolean): TemplateResult {
    return renderTabs(this.tabs(view, isPast), this.shownTab(view, isPast), t('Of this session'), name => {
      this.tab = name;
    });
  }

  private renderTab(view: SessionView, chosen: AttemptRecord | undefined, isPast: boolean): TemplateResult {
    switch (this.shownTab(view, isPast)) {
      case 'attempts':
        return view.attempts.length === 0
          ? html`<div class="empty quiet">${t('Nothing has been tried yet.')}</div>`
          : html`<mcpx-attempt-table .attempts=${view.attempts} .titles=${view.titles} .chosen=${chosen?.id}
            .wallNow=${this.wallNow} @choose=${(event: CustomEvent<string>) => this.choose(event.detail)}></mcpx-attempt-table>`;
      case 'gates':
        return this.renderGates(view.gateRuns);
      case 'graph':
        return html`<mcpx-graph-page embedded .context=${this.embedded?.context}
          .state=${this.embedded?.state} .past=${this.past?.shown?.rows}></mcpx-graph-page>`;
      case 'refused':
        return html`<div class="list">${view.refusals.map(
          ({attemptId, effect, detail, at}) => html`<div class="card">
            <div class="row"><b class="grow">${t('{0} of {1}', effect, attemptId)}</b><span class="quiet">${dateTime(at)}</span></div>
            <div>${detail}</div>
          </div>`,
        )}</div>`;
      case 'memory':
        return html`<div class="list">${
          view.memory.length === 0
            ? html`<div class="quiet">${t('Nothing was shared by then.')}</div>`
            : view.memory.map(
                ({key, memory, version}) => html`<details>
                <summary><span class="row"><span class="mono grow clip">${key}</span><span class="quiet">${t('version {0}', version)}</span></span></summary>
                <pre tabindex="0">${JSON.stringify(memory.value, undefined, 2)}</pre>
              </details>`,
              )
        }</div>`;
    }
  }

  private renderGates(runs: readonly GateRun[]): TemplateResult {
    if (runs.length === 0) return html`<div class="empty quiet">${t('No gate has run yet.')}</div>`;
    return html`<div class="list">
      ${runs.slice(0, MAX_GATES).map(({task, attempt, evidence}) => {
        const {gate, passed, exitCode, output, error, durationMs, artifact, judge, measured} = evidence;
        return html`<details>
          <summary><span class="row">${stateIcon(passed ? 'succeeded' : 'failed', passed ? t('passed') : t('failed'))}
            <b class="clip">${gate}</b>
            <span class="quiet clip grow">${task.title ?? task.record.id}${attempt.number > 1 ? `, ${t('attempt {0}', attempt.number)}` : ''}</span>
            <span class="quiet">${duration(durationMs)}</span></span></summary>
          <div class="quiet">${exitCode === null ? '' : t('Exit code {0}.', exitCode)}
            ${measured === undefined ? nothing : t('Measured: {0}.', Math.round(measured * 100) / 100)}
            ${judge === undefined ? nothing : t('Judged by {0}.', judge)}
            ${artifact ? t('The end of its output; the rest is kept by the coordinator.') : nothing}
            <button class="link" @click=${() => this.choose(attempt.id)}>${t('Transcript')}</button></div>
          <pre tabindex="0">${error ?? (output === '' ? t('No output.') : output)}</pre>
        </details>`;
      })}
      ${runs.length > MAX_GATES ? html`<div class="quiet">${t('{0} more', runs.length - MAX_GATES)}</div>` : nothing}
    </div>`;
  }
}
define('mcpx-session-page', SessionPage);

/** How the fleet is: what is wrong, the coordinator and its store, how long answers take, what waits, and every agent. */
import {css, html, nothing, type TemplateResult} from 'lit';
import type {AgentRow, SessionRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import type {Quarantine} from '../../coordinator/protocol/model/agent.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {RowStore} from '../feed/rowStore.ts';
import {define, McpxElement} from '../shell/element.ts';
import {bytes, clockTime, count, dateTime, dollars, duration} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon} from '../theme/icons.ts';
import type {LookName} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import './chart.ts';
import type {Line} from './chart.ts';
import {Series} from './series.ts';
import {type ClusterInfo, troublesOf} from './troubles.ts';

/** Half an hour of measurements. */
const POINTS = 600;

const LATENCY: readonly Line[] = [{label: 'Answer', color: '--mcpx-running'}];
const QUEUE: readonly Line[] = [
  {label: 'running', color: '--mcpx-running'},
  {label: 'waiting', color: '--mcpx-waiting', dash: [5, 3]},
];

const LOOKS_OF_AGENTS: Readonly<Record<string, LookName>> = {
  active: 'running',
  busy: 'running',
  idle: 'succeeded',
  maintenance: 'waiting',
  offline: 'cancelled',
  unreachable: 'lost',
};

/** English; translate them. */
const HOLDS: Readonly<Record<Quarantine['kind'], string>> = {
  quarantined: 'in quarantine',
  probation: 'on probation',
};

export class HealthPage extends McpxElement {
  static override properties = {version: {state: true}, showOffline: {state: true}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        overflow: auto;
        padding: 18px 22px 40px;
      }
      .content {
        max-width: 1180px;
        margin: 0 auto;
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 22px;
      }
      .two {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
        gap: 16px;
      }
      .two > * {
        min-width: 0;
      }
      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 4px 16px;
        margin: 8px 0 0;
      }
      dt {
        color: var(--vscode-descriptionForeground);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .scroll {
        overflow-x: auto;
      }
      .head {
        margin-bottom: 8px;
      }
      .trouble {
        display: grid;
        grid-template-columns: 18px minmax(0, 1fr);
        gap: 8px;
        padding: 4px 0;
      }
      .key {
        display: inline-flex;
        align-items: center;
        gap: 6px;
      }
      .key i {
        width: 18px;
        border-top: 2px solid var(--mcpx-running);
      }
      .key i.waiting {
        border-top: 2px dashed var(--mcpx-waiting);
      }
      td .state {
        position: relative;
        top: 3px;
        margin-right: 4px;
      }
    `,
  ];

  context!: PageContext;
  version = 0;
  showOffline = false;
  private fleet: RowStore | undefined;
  private info: ClusterInfo | undefined;
  private failure: string | undefined;
  private readonly latency = new Series(1, POINTS);
  private readonly queue = new Series(2, POINTS);

  override connectedCallback(): void {
    super.connectedCallback();
    // It scrolls, and may have nothing else that takes the focus.
    this.tabIndex = 0;
    const {feed} = this.context;
    this.fleet = this.hold(
      new RowStore(feed, {kind: 'fleet'}, () => {
        this.version += 1;
      }),
    );
    this.hold(
      feed.follow({kind: 'health'}, event => {
        if (event.kind === 'health') {
          this.info = event.info;
          this.failure = undefined;
          this.latency.add(event.at, [event.latencyMs]);
          if (this.fleet?.revision !== undefined) this.queue.add(event.at, this.queued());
        } else if (event.kind === 'failed') {
          this.failure = event.message;
          this.latency.add(systemClock.wallNow(), [null]);
        }
        this.version += 1;
      }),
    );
  }

  private get agents(): AgentRow[] {
    return [...(this.fleet?.rows.values() ?? [])]
      .flatMap(row => (row.kind === 'agent' ? [row] : []))
      .sort((a, b) => Number(b.online) - Number(a.online) || (a.id < b.id ? -1 : 1));
  }

  private get sessions(): SessionRow[] {
    return [...(this.fleet?.rows.values() ?? [])].flatMap(row => (row.kind === 'session' ? [row] : []));
  }

  /** Tasks that run and that wait, in all sessions that go on. */
  private queued(): [running: number, waiting: number] {
    const going = this.sessions.filter(({session}) => session.endedAt === undefined);
    return going.reduce<[number, number]>(
      ([running, waiting], {session: {counts}}) => [running + counts.running, waiting + counts.waiting],
      [0, 0],
    );
  }

  override render(): TemplateResult {
    if (!this.info && this.fleet?.revision === undefined)
      return html`<div class="content quiet" role="status">${this.failure ?? t('Reading…')}</div>`;
    return html`<div class="content">
      ${this.renderTroubles()}
      <div class="two">${this.renderCoordinator()} ${this.renderStore()}</div>
      <div class="two">${this.renderLatency()} ${this.renderQueue()}</div>
      ${this.renderAgents()}
    </div>`;
  }

  private renderTroubles(): TemplateResult {
    const troubles = troublesOf(this.info, this.agents, systemClock.wallNow());
    return html`<section aria-labelledby="troubles">
      <h1 id="troubles" class="head">${t('Health')}</h1>
      <div class="card" role="status">
        ${
          this.failure
            ? html`<div class="trouble">${stateIcon('failed', t('error'))}<div>${this.failure}</div></div>`
            : nothing
        }
        ${
          troubles.length === 0 && !this.failure
            ? html`<div class="trouble">${stateIcon('succeeded', t('fine'))}<div>${t('Nothing is wrong.')}</div></div>`
            : troubles.map(
                ({level, what, about}) => html`<div class="trouble">
                ${stateIcon(level === 'error' ? 'failed' : 'waiting', level === 'error' ? t('error') : t('warning'))}
                <div><b>${what}</b><div class="quiet">${about}</div></div>
              </div>`,
              )
        }
      </div>
    </section>`;
  }

  private renderCoordinator(): TemplateResult {
    const {info} = this;
    const fact = (name: string, value: unknown): TemplateResult =>
      html`<dt>${name}</dt><dd>${value ?? '–'}</dd>`;
    return html`<section class="card" aria-labelledby="coordinator">
      <h2 id="coordinator">${t('Coordinator')}</h2>
      <dl>
        ${fact(t('Name'), html`<span class="mono">${info?.coordinator ?? '–'}</span>`)}
        ${fact(t('Lead'), info?.lead === info?.coordinator ? t('itself') : (info?.lead ?? t('nobody')))}
        ${fact(t('Version'), info && t('{0}, protocol {1}', info.version, info.protocol))}
        ${fact(t('Up for'), info && duration(Math.max(0, systemClock.wallNow() - info.startedAt)))}
        ${fact(t('Sessions'), info && count(info.sessions))}
        ${fact(t('Agents'), info && count(info.agents))}
      </dl>
    </section>`;
  }

  private renderStore(): TemplateResult {
    const store = this.info?.store;
    const fact = (name: string, value: unknown): TemplateResult =>
      html`<dt>${name}</dt><dd>${value ?? '–'}</dd>`;
    return html`<section class="card" aria-labelledby="store">
      <h2 id="store">${t('Store')}</h2>
      <dl>
        ${fact(t('Driver'), store?.driver)}
        ${fact(t('State'), store && (store.degraded === undefined ? t('acknowledges') : store.degraded))}
        ${fact(t('Revision'), store && count(store.revision))}
        ${fact(t('Keys'), store && count(store.keys))}
        ${fact(t('On disk'), store && bytes(store.bytesOnDisk))}
        ${fact(t('Incarnation'), html`<span class="mono">${store?.incarnation ?? '–'}</span>`)}
      </dl>
    </section>`;
  }

  private renderLatency(): TemplateResult {
    const last = this.latency.last(0);
    return html`<section class="card" aria-labelledby="latency">
      <div class="row"><h2 id="latency" class="grow">${t('Time to answer')}</h2>
        <span>${last === undefined ? '' : duration(last)}</span></div>
      <mcpx-chart .series=${this.latency} .lines=${LATENCY} .unit=${' ms'} .version=${this.version}></mcpx-chart>
    </section>`;
  }

  private renderQueue(): TemplateResult {
    const [running, waiting] = this.queued();
    return html`<section class="card" aria-labelledby="queue">
      <div class="row"><h2 id="queue" class="grow">${t('Tasks')}</h2>
        <span class="key"><i></i>${t('{0} running', running)}</span>
        <span class="key"><i class="waiting"></i>${t('{0} waiting', waiting)}</span></div>
      <mcpx-chart .series=${this.queue} .lines=${QUEUE} .version=${this.version}></mcpx-chart>
    </section>`;
  }

  private renderAgents(): TemplateResult {
    const {agents} = this;
    const online = agents.filter(agent => agent.online);
    const shown = this.showOffline ? agents : online;
    const offline = agents.length - online.length;
    return html`<section aria-labelledby="agents">
      <div class="row head"><h1 id="agents" class="grow">${t('Agents')}</h1>
        ${
          offline > 0
            ? html`<vscode-button secondary @click=${() => {
                this.showOffline = !this.showOffline;
              }}>${this.showOffline ? t('Hide those that are gone') : t('Show {0} that are gone', offline)}</vscode-button>`
            : nothing
        }</div>
      ${
        shown.length === 0
          ? html`<div class="card quiet">${t('No agent is here.')}</div>`
          : html`<div class="scroll" tabindex="0" role="region" aria-labelledby="agents"><table>
            <thead><tr>
              <th>${t('Agent')}</th><th>${t('State')}</th><th>${t('Machine')}</th><th>${t('Region')}</th><th>Claude Code</th>
              <th class="number">${t('Slots')}</th><th class="number">${t('Answers in')}</th><th class="number">${t('Errors')}</th>
              <th class="number">${t('Succeeded')}</th><th class="number">${t('Failed')}</th><th class="number">${t('Cost')}</th>
              <th class="number">${t('Last seen')}</th>
            </tr></thead>
            <tbody>${shown.map(row => this.renderAgent(row))}</tbody>
          </table></div>`
      }
    </section>`;
  }

  private renderAgent({agent, online}: AgentRow): TemplateResult {
    const {id, status, metadata, healthcheck} = agent.instance;
    const {performanceMetrics: metrics, claude} = metadata;
    const state = agent.draining ? t('draining') : online ? t(status) : t('gone');
    const {quarantine} = agent;
    const said = quarantine ? `${state}, ${t(HOLDS[quarantine.kind])}` : state;
    const readiness = claude.kind === 'ready' ? claude.version : t(claude.kind);
    return html`<tr>
      <td class="mono">${id}</td>
      <td>${stateIcon(online ? (LOOKS_OF_AGENTS[status] ?? 'pending') : 'cancelled', said)}<span title=${quarantine?.reason ?? agent.trouble ?? ''}>${said}</span></td>
      <td>${metadata.hostname}</td><td>${metadata.region}</td>
      <td>${metadata.rehearsal ? t('rehearsal') : readiness}</td>
      <td class="number">${metadata.maxConcurrentTasks}</td>
      <td class="number">${healthcheck.responseTime > 0 ? duration(healthcheck.responseTime) : '–'}</td>
      <td class="number">${Math.round(healthcheck.errorRate * 100)} %</td>
      <td class="number">${count(metrics.attemptsSucceeded)}</td>
      <td class="number">${count(metrics.attemptsFailed)}</td>
      <td class="number">${dollars(metrics.costUsd)}</td>
      <td class="number">${systemClock.wallNow() - healthcheck.lastSeen < 86_400_000 ? clockTime(healthcheck.lastSeen) : dateTime(healthcheck.lastSeen)}</td>
    </tr>`;
  }
}
define('mcpx-health-page', HealthPage);

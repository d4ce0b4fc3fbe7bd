/** Where a browser's person begins: sessions, newest first, and the agents. */
import {css, html, nothing, type TemplateResult} from 'lit';
import type {AgentRow, SessionRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import {systemClock} from '../../coordinator/runtime/clock.ts';
import {RowStore} from '../feed/rowStore.ts';
import {addressOf} from '../host/address.ts';
import {define, McpxElement} from '../shell/element.ts';
import {dateTime, dollars, duration} from '../shell/format.ts';
import {plural, t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon} from '../theme/icons.ts';
import {lookOfSession} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';

const MAX_SESSIONS = 200;

export class HomePage extends McpxElement {
  static override properties = {version: {state: true}, search: {state: true}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        overflow: auto;
        padding: 20px 24px 40px;
      }
      .content {
        max-width: 1060px;
        margin: 0 auto;
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: 28px;
      }
      .head {
        margin-bottom: 8px;
      }
      .scroll {
        overflow-x: auto;
      }
      td.name {
        max-width: 360px;
      }
      tbody tr:hover {
        background: var(--vscode-list-hoverBackground);
      }
      td:first-child,
      th:first-child {
        width: 24px;
        padding-left: 4px;
      }
      .state {
        position: relative;
        top: 3px;
      }
    `,
  ];

  context!: PageContext;
  version = 0;
  search = '';
  private fleet: RowStore | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.fleet = this.hold(
      new RowStore(this.context.feed, {kind: 'fleet'}, () => {
        this.version += 1;
      }),
    );
  }

  override render(): TemplateResult {
    const rows = [...(this.fleet?.rows.values() ?? [])];
    const sessions = rows.flatMap(row => (row.kind === 'session' ? [row] : []));
    const agents = rows.flatMap(row => (row.kind === 'agent' ? [row] : []));
    const waiting = rows.filter(
      row => row.kind === 'approval' && row.approval.state.kind === 'waiting',
    ).length;
    if (this.fleet?.revision === undefined)
      return html`<div class="content quiet" role="status">${this.fleet?.failure ?? t('Reading…')}</div>`;
    return html`<div class="content">
      ${this.renderSessions(sessions, waiting)} ${this.renderAgents(agents)}
    </div>`;
  }

  private renderSessions(all: readonly SessionRow[], waiting: number): TemplateResult {
    const wanted = this.search.trim().toLocaleLowerCase();
    const sessions = all
      .filter(
        ({session}) =>
          wanted === '' ||
          session.name.toLocaleLowerCase().includes(wanted) ||
          session.id.toLocaleLowerCase().includes(wanted),
      )
      .sort((a, b) => b.session.createdAt - a.session.createdAt);
    return html`<section aria-labelledby="sessions">
      <div class="row head">
        <h1 id="sessions">${t('Sessions')}</h1>
        <span class="quiet">${waiting > 0 ? plural(waiting, '1 question waits for you', '{0} questions wait for you') : ''}</span>
        <span class="grow"></span>
        <vscode-textfield type="search" label=${t('Find a session')} placeholder=${t('Find a session')}
          @input=${(event: Event) => {
            this.search = (event.currentTarget as HTMLElement & {value: string}).value;
          }}></vscode-textfield>
      </div>
      ${
        sessions.length === 0
          ? html`<div class="card quiet">
            ${all.length === 0 ? t('No plan has run yet. Start one with "mcpx run plan.mcpx.yaml", or from VS Code.') : t('No session has this name.')}
          </div>`
          : html`<div class="scroll" tabindex="0" role="region" aria-label=${t('Sessions')}><table>
            <thead><tr>
              <th><span class="offscreen">${t('State')}</span></th><th>${t('Session')}</th><th>${t('Started')}</th>
              <th class="number">${t('Tasks done')}</th><th class="number">${t('Time')}</th><th class="number">${t('Cost')}</th><th></th>
            </tr></thead>
            <tbody>${sessions.slice(0, MAX_SESSIONS).map(row => this.renderSession(row))}</tbody>
          </table></div>
          ${sessions.length > MAX_SESSIONS ? html`<div class="quiet">${t('The newest {0} are shown: search for the others.', MAX_SESSIONS)}</div>` : nothing}`
      }
    </section>`;
  }

  private renderSession({session}: SessionRow): TemplateResult {
    const {id: sessionId, name, state, counts, createdAt, endedAt, spentUsd} = session;
    const took = (endedAt ?? systemClock.wallNow()) - createdAt;
    return html`<tr>
      <td>${stateIcon(lookOfSession(state), t(state))}</td>
      <td class="clip name"><a href=${addressOf({page: 'session', sessionId})}>${name}</a>
        <span class="quiet mono">${sessionId}</span></td>
      <td class="quiet">${dateTime(createdAt)}</td>
      <td class="number">${t('{0} of {1}', counts.succeeded, counts.total)}</td>
      <td class="number">${duration(Math.max(0, took))}</td>
      <td class="number">${dollars(spentUsd)}</td>
      <td class="number"><a href=${addressOf({page: 'graph', sessionId})}
        aria-label=${t('Graph of {0}', name)}>${t('Graph')}</a></td>
    </tr>`;
  }

  private renderAgents(agents: readonly AgentRow[]): TemplateResult {
    const online = agents.filter(agent => agent.online);
    return html`<section aria-labelledby="agents">
      <div class="row head"><h1 id="agents">${t('Agents')}</h1>
        <span class="quiet grow">${t('{0} of {1} online', online.length, agents.length)}</span>
        <a href="#/health">${t('Health')}</a></div>
      ${
        online.length === 0
          ? html`<div class="card quiet">
            ${t('No agent is here. "mcpx run" starts its own; add one that stays with "mcpx agent add".')}
          </div>`
          : html`<div class="scroll" tabindex="0" role="region" aria-label=${t('Agents')}><table>
            <thead><tr><th></th><th>${t('Agent')}</th><th>${t('Machine')}</th><th>${t('State')}</th></tr></thead>
            <tbody>
              ${online.map(
                ({agent: {instance}}) => html`<tr><td></td>
                  <td class="mono">${instance.id}</td>
                  <td>${instance.metadata.hostname || '–'}</td>
                  <td>${t(instance.status)}</td></tr>`,
              )}
            </tbody></table></div>`
      }
    </section>`;
  }
}
define('mcpx-home', HomePage);

/** The head of a session's page: how it stands, how far it is, what it has cost, and what may be done about it. */
import {css, html, nothing, type TemplateResult} from 'lit';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {PageAction} from '../messages.ts';
import '../shell/actionButton.ts';
import {define, McpxElement} from '../shell/element.ts';
import {dollars, duration} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {styled} from '../shell/styled.ts';
import {stateIcon, stateSign} from '../theme/icons.ts';
import {LOOKS, type LookName, lookOfSession} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';

type SessionCommand = Extract<PageAction, {kind: 'session'}>['command'];

const EDITOR_ONLY: ReadonlySet<SessionCommand> = new Set([
  'rollBackSession',
  'setBudget',
  'setStrategy',
  'showDiff',
  'acceptResult',
  'pushResult',
  'openPullRequest',
  'exportReport',
]);

export class SessionHeader extends McpxElement {
  static override properties = {
    session: {attribute: false},
    wallNow: {attribute: false},
    isPast: {attribute: false},
  };

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: 8px;
        padding: 10px 12px;
        border-bottom: 1px solid var(--mcpx-border);
      }
      .facts {
        display: flex;
        flex-wrap: wrap;
        gap: 4px 18px;
        align-items: center;
      }
      .bar {
        display: flex;
        height: 6px;
        border-radius: 3px;
        overflow: hidden;
        background: var(--vscode-textCodeBlock-background);
        border: 1px solid var(--vscode-contrastBorder, transparent);
      }
      .bar span {
        flex-grow: var(--share);
        flex-basis: 0;
        background: var(--color);
      }
      .bar .ahead {
        background: none;
      }
      .count {
        display: inline-flex;
        align-items: center;
        gap: 4px;
      }
      .count .sign {
        width: 13px;
        height: 13px;
      }
      .failure {
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        max-height: 120px;
        overflow: auto;
      }
      .tag {
        border: 1px solid var(--mcpx-border);
        border-radius: 10px;
        padding: 0 8px;
        font-size: 0.88em;
      }
    `,
  ];

  context!: PageContext;
  session: SessionRecord | undefined;
  wallNow = 0;
  isPast = false;

  override render(): TemplateResult | typeof nothing {
    const {session} = this;
    if (!session) return nothing;
    return html`
      <div class="row wrap">
        ${stateIcon(lookOfSession(session.state), t(session.state))}
        <h1 class="clip">${session.name}</h1>
        <span class="quiet mono">${session.id}</span>
        ${session.rehearsal ? html`<span class="tag quiet">${t('rehearsal')}</span>` : nothing}
        <span class="grow"></span>
        ${this.isPast ? nothing : this.renderActions(session)}
      </div>
      ${this.renderBar(session)}
      <div class="facts">${this.renderFacts(session)}</div>
      ${session.failure ? html`<div class="failure error">${session.failure}</div>` : nothing}
    `;
  }

  private counts({counts}: SessionRecord): readonly (readonly [LookName, number])[] {
    return [
      ['succeeded', counts.succeeded],
      ['failed', counts.failed],
      ['cancelled', counts.cancelled],
      ['running', counts.running],
      ['ready', counts.waiting],
    ];
  }

  private renderBar(session: SessionRecord): TemplateResult {
    const counted = this.counts(session);
    const ahead = session.counts.total - counted.reduce((sum, [, count]) => sum + count, 0);
    const segments = counted.filter(([look, count]) => count > 0 && look !== 'ready');
    const rest = ahead + session.counts.waiting;
    return html`<div class="bar" role="progressbar" aria-label=${t('Tasks done')} aria-valuemin="0"
      aria-valuemax=${session.counts.total} aria-valuenow=${session.counts.succeeded}>
      ${segments.map(
        ([look, count]) =>
          html`<span ${styled({'--share': String(count), '--color': `var(${LOOKS[look].color})`})}></span>`,
      )}
      <span class="ahead" ${styled({'--share': String(rest)})}></span>
    </div>`;
  }

  private renderFacts(session: SessionRecord): TemplateResult {
    const {counts, spentUsd, budgetUsd, createdAt, endedAt, result} = session;
    const took = Math.max(0, (endedAt ?? this.wallNow) - createdAt);
    return html`
      <span>${t('{0} of {1} tasks done', counts.succeeded, counts.total)}</span>
      ${this.counts(session)
        .filter(([look, count]) => count > 0 && look !== 'succeeded')
        .map(
          ([look, count]) =>
            html`<span class="count">${stateSign(look)}${count} ${look === 'ready' ? t('waiting') : t(LOOKS[look].label)}</span>`,
        )}
      <span class="quiet">${duration(took)}</span>
      <span class="quiet">${budgetUsd === undefined ? dollars(spentUsd) : t('{0} of {1}', dollars(spentUsd), dollars(budgetUsd))}</span>
      <span class="quiet">${t('by {0}', session.strategy)}</span>
      ${session.speculation ? html`<span class="quiet">${t('of it for backups: {0}', dollars(session.speculation.spentUsd))}</span>` : nothing}
      ${session.pauseReason === 'budget' ? html`<span class="error">${t('Its budget is spent: raise it to go on.')}</span>` : nothing}
      ${result ? html`<span class="quiet clip">${t('result')} <span class="mono">${result.branch}</span></span>` : nothing}
    `;
  }

  private renderActions({id: sessionId, state, result}: SessionRecord): TemplateResult {
    const wanted: (readonly [string, SessionCommand])[] = [];
    if (state === 'succeeded') wanted.push(['Accept Result', 'acceptResult']);
    if (result) wanted.push(['Show Diff', 'showDiff']);
    if (state === 'succeeded') wanted.push(['Open Pull Request', 'openPullRequest']);
    if (state === 'running') wanted.push(['Pause', 'pauseSession']);
    if (state === 'paused' || state === 'failed' || state === 'cancelled' || state === 'rolledBack')
      wanted.push(['Resume', 'resumeSession']);
    if (state === 'running' || state === 'paused')
      wanted.push(['Cancel', 'cancelSession'], ['Budget…', 'setBudget'], ['Strategy…', 'setStrategy']);
    if (state !== 'ending' && state !== 'rolledBack') wanted.push(['Roll Back…', 'rollBackSession']);
    wanted.push(['Graph', 'openGraph'], ['Report…', 'exportReport']);
    const possible = wanted.filter(
      ([, command]) => this.context.host === 'editor' || !EDITOR_ONLY.has(command),
    );
    const main: ReadonlySet<SessionCommand> = new Set(['acceptResult', 'resumeSession']);
    return html`${possible.map(
      ([label, command]) =>
        html`<mcpx-action .feed=${this.context.feed} label=${t(label)} ?primary=${main.has(command)}
          .action=${{kind: 'session', sessionId, command} satisfies PageAction}></mcpx-action>`,
    )}`;
  }
}
define('mcpx-session-header', SessionHeader);

/** Everything about one task beside the graph: how it stands and why, its attempts and gates, and what a person may do about it. */

import {css, html, nothing, type TemplateResult} from 'lit';
import {attemptThatCounts} from '../../coordinator/client/report/attemptThatCounts.ts';
import type {GateEvidence} from '../../coordinator/protocol/gate.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {PageAction} from '../messages.ts';
import '../shell/actionButton.ts';
import '../shell/approvalCard.ts';
import {define, McpxElement} from '../shell/element.ts';
import {dollars, duration} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';
import type {PageContext} from '../shell/pageContext.ts';
import {stateIcon, stateSign, toolIcon} from '../theme/icons.ts';
import {LOOKS, lookOfOutcome} from '../theme/stateLook.ts';
import {shared} from '../theme/tokens.ts';
import {taskActions} from './taskActions.ts';
import type {NamedTask, TaskShown} from './taskShown.ts';

export class TaskDetails extends McpxElement {
  static override properties = {shown: {attribute: false}, wallNow: {attribute: false}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        overflow: auto;
        padding: 12px 14px 20px;
      }
      section {
        margin-top: 16px;
        display: grid;
        gap: 6px;
      }
      dl {
        display: grid;
        grid-template-columns: max-content minmax(0, 1fr);
        gap: 4px 12px;
        margin: 10px 0 0;
      }
      dt {
        color: var(--vscode-descriptionForeground);
      }
      dd {
        margin: 0;
        overflow-wrap: anywhere;
      }
      .title {
        align-items: flex-start;
      }
      .title h1 {
        overflow-wrap: anywhere;
        font-size: 1.1em;
      }
      .sign {
        flex: none;
        position: relative;
        top: 2px;
      }
      .attempt {
        display: grid;
        grid-template-columns: 16px minmax(0, 1fr) max-content max-content;
        gap: 8px;
        align-items: center;
      }
      pre {
        margin: 0;
        padding: 8px;
        max-height: 220px;
        overflow: auto;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        background: var(--vscode-textCodeBlock-background);
        border-radius: 4px;
        font-family: var(--mcpx-mono);
        font-size: 0.92em;
      }
      .link {
        color: var(--vscode-textLink-foreground);
        text-decoration: underline;
      }
    `,
  ];

  context!: PageContext;
  shown: TaskShown | undefined;
  wallNow = 0;

  override render(): TemplateResult | typeof nothing {
    const {shown} = this;
    if (!shown) return nothing;
    const {node, look, task, approvals, isCritical} = shown;
    return html`
      <div class="row title">
        ${stateIcon(look)}
        <h1 class="grow">${node.title}</h1>
        <button class="tool" aria-label=${t('Close details')} title=${t('Close details')} @click=${this.close}>
          ${toolIcon('close')}
        </button>
      </div>
      <div class="quiet mono">${node.id}</div>
      ${this.renderFacts(shown)}
      ${task?.failure ? html`<section><h3>${t('Why it failed')}</h3><div>${task.failure.message}</div></section>` : nothing}
      ${
        approvals.length > 0
          ? html`<section>
            ${approvals.map(approval => html`<mcpx-approval .context=${this.context} .approval=${approval}></mcpx-approval>`)}
          </section>`
          : nothing
      }
      ${this.renderActions(shown)} ${this.renderAttempts(shown)} ${this.renderGates(task?.gates)}
      ${task?.result?.summary ? html`<section><h3>${t('Result')}</h3><pre tabindex="0">${task.result.summary}</pre></section>` : nothing}
      ${this.renderWork(shown)}
      ${isCritical ? html`<section class="quiet">${t('It is on the critical path: when it takes longer, so does the session.')}</section>` : nothing}
    `;
  }

  private renderFacts({look, task, attempts, waitsFor, parent, parts}: TaskShown): TemplateResult {
    const latest = task && attemptThatCounts(task, attempts);
    const fact = (name: string, value: unknown): TemplateResult | typeof nothing =>
      value === undefined || value === '' ? nothing : html`<dt>${name}</dt><dd>${value}</dd>`;
    const spent = task?.usage.costUsd;
    return html`<dl>
      ${fact(t('State'), t(LOOKS[look].label))}
      ${fact(t('Waits for'), task?.waitingFor?.message)}
      ${fact(t('After'), this.links(waitsFor))}
      ${fact(t('Part of'), parent && this.links([parent]))}
      ${fact(t('Parts'), this.links(parts))}
      ${fact(t('Result of'), task?.cached && t('attempt {0} on {1}, not done again', task.cached.attemptId, task.cached.agentId))}
      ${fact(t('Agent'), task?.cached ? undefined : latest?.agentId)}
      ${fact(t('Time'), latest && !task?.cached ? duration(this.elapsed(latest)) : undefined)}
      ${fact(t('Cost'), spent === undefined || spent === 0 ? undefined : dollars(spent))}
      ${fact(t('Lost agents'), task && task.losses > 0 ? task.losses : undefined)}
    </dl>`;
  }

  private links(tasks: readonly NamedTask[]): readonly TemplateResult[] | undefined {
    if (tasks.length === 0) return undefined;
    return tasks.map(
      ({id, title}, at) =>
        html`${at > 0 ? ', ' : ''}<button class="link" @click=${() => this.select(id)}>${title}</button>`,
    );
  }

  private elapsed(attempt: AttemptRecord): number {
    return Math.max(0, (attempt.endedAt ?? this.wallNow) - (attempt.startedAt ?? attempt.assignedAt));
  }

  private renderActions(shown: TaskShown): TemplateResult | typeof nothing {
    const actions = taskActions(shown, this.context.host);
    if (actions.length === 0) return nothing;
    return html`<section class="row wrap">
      ${actions.map(
        ({label, action}, at) =>
          html`<mcpx-action .feed=${this.context.feed} .action=${action} label=${t(label)} ?primary=${at === 0}>
          </mcpx-action>`,
      )}
    </section>`;
  }

  private renderAttempts({attempts}: TaskShown): TemplateResult | typeof nothing {
    if (attempts.length === 0) return nothing;
    return html`<section>
      <h3>${t('Attempts')}</h3>
      ${attempts.map(attempt => {
        const look = lookOfOutcome(attempt.outcome);
        const attach: PageAction = {kind: 'attempt', attemptId: attempt.id, command: 'attach'};
        return html`<div class="attempt">
          ${stateSign(look)}
          <button class="link clip" @click=${() => void this.context.feed.act(attach)}>
            ${t('Attempt {0}', attempt.number)}
          </button>
          <span class="quiet clip">${t(LOOKS[look].label)} · ${attempt.agentId}</span>
          <span class="quiet">${duration(this.elapsed(attempt))}</span>
        </div>`;
      })}
    </section>`;
  }

  private renderGates(gates: readonly GateEvidence[] | undefined): TemplateResult | typeof nothing {
    if (!gates || gates.length === 0) return nothing;
    return html`<section>
      <h3>${t('Gates')}</h3>
      ${gates.map(
        ({gate, passed, output, error, durationMs}) => html`<details>
          <summary>
            <span class="row">${stateIcon(passed ? 'succeeded' : 'failed')}
              <span class="grow clip">${gate}</span><span class="quiet">${duration(durationMs)}</span></span>
          </summary>
          <pre tabindex="0">${error ?? (output === '' ? t('No output.') : output)}</pre>
        </details>`,
      )}
    </section>`;
  }

  private renderWork({node}: TaskShown): TemplateResult | typeof nothing {
    const work = node.specification?.work;
    const text = work?.kind === 'prompt' ? work.prompt : work?.kind === 'run' ? work.command : undefined;
    if (text === undefined) return nothing;
    return html`<section>
      <h3>${work?.kind === 'prompt' ? t('Prompt') : t('Command')}</h3>
      <pre tabindex="0">${text.trim()}</pre>
    </section>`;
  }

  private select(id: string): void {
    this.dispatchEvent(new CustomEvent('select-task', {detail: id}));
  }

  private close(): void {
    this.dispatchEvent(new CustomEvent('select-task', {detail: undefined}));
  }
}
define('mcpx-task-details', TaskDetails);

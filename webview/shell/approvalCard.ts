/** What waits for a person, with its answers: a permission, a question, or a decision. */
import {css, html, nothing, type TemplateResult} from 'lit';
import {gateQuestionLines} from '../../coordinator/client/report/gateQuestion.ts';
import type {ApprovalAnswer} from '../../coordinator/protocol/approval.ts';
import type {ApprovalRecord} from '../../coordinator/protocol/model/facts.ts';
import type {PageAction} from '../messages.ts';
import {stateSign} from '../theme/icons.ts';
import {shared} from '../theme/tokens.ts';
import './actionButton.ts';
import {define, McpxElement} from './element.ts';
import {t} from './l10n.ts';
import type {PageContext} from './pageContext.ts';

const MAX_INPUT = 2000;

export class ApprovalCard extends McpxElement {
  static override properties = {approval: {attribute: false}, chosen: {state: true}};

  static override styles = [
    shared,
    css`
      :host {
        display: block;
      }
      .box {
        border: 1px solid var(--mcpx-waiting);
        border-radius: 6px;
        padding: 10px 12px;
        background: var(--mcpx-card);
        display: grid;
        gap: 8px;
      }
      pre {
        margin: 0;
        padding: 8px;
        max-height: 160px;
        overflow: auto;
        background: var(--vscode-textCodeBlock-background);
        border-radius: 4px;
        font-family: var(--mcpx-mono);
        font-size: 0.92em;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      fieldset {
        border: 0;
        margin: 0;
        padding: 0;
        display: grid;
        gap: 4px;
      }
      legend {
        padding: 0;
        margin-bottom: 4px;
        font-weight: 600;
      }
      label {
        display: flex;
        gap: 6px;
        align-items: baseline;
      }
      .sign {
        flex: none;
      }
    `,
  ];

  context!: PageContext;
  approval!: ApprovalRecord;
  chosen: Record<string, readonly string[]> = {};

  override render(): TemplateResult {
    const {request, taskId} = this.approval;
    const title =
      request.kind === 'permission'
        ? t('May it use {0}?', request.tool)
        : request.kind === 'question'
          ? t('It asks you')
          : t('You decide');
    return html`<section class="box" aria-label=${`${title} (${taskId})`}>
      <div class="row">${stateSign('waiting')}<h2 class="grow">${title}</h2>
        <span class="quiet clip">${taskId}</span></div>
      ${request.kind === 'permission' ? this.renderPermission(request.input, request.reason) : nothing}
      ${request.kind === 'decision' ? this.renderDecision(request) : nothing}
      ${request.kind === 'question' ? this.renderQuestions() : nothing}
    </section>`;
  }

  private renderDecision(request: Extract<ApprovalRecord['request'], {kind: 'decision'}>): TemplateResult {
    const lines = gateQuestionLines(request);
    return html`<div>${request.message}</div>
      ${lines.length > 0 ? html`<pre tabindex="0" aria-label=${t('What was done')}>${lines.join('\n')}</pre>` : nothing}
      ${this.renderYesNo()}`;
  }

  private renderPermission(input: unknown, reason: string | undefined): TemplateResult {
    const text = JSON.stringify(input, undefined, 2) ?? '';
    const command =
      typeof input === 'object' && input !== null && 'command' in input ? input.command : undefined;
    const shown = typeof command === 'string' ? command : text;
    return html`${reason ? html`<div class="quiet">${reason}</div>` : nothing}
      <pre tabindex="0" aria-label=${t('What it wants to do')}>${shown.slice(0, MAX_INPUT)}</pre>
      ${this.renderYesNo(true)}`;
  }

  private renderYesNo(forSession = false): TemplateResult {
    const {sessionId, id: approvalId} = this.approval;
    return html`<div class="row wrap">
      ${this.button(t('Allow'), {kind: 'allow', scope: 'once'}, true)}
      ${forSession ? this.button(t('Allow for This Session'), {kind: 'allow', scope: 'session'}) : nothing}
      ${
        forSession && this.context.host === 'editor'
          ? html`<mcpx-action
            .feed=${this.context.feed}
            .action=${{kind: 'approval', sessionId, approvalId, command: 'approveEdited'} satisfies PageAction}
            label=${t('Edit…')}
          ></mcpx-action>`
          : nothing
      }
      ${this.button(t('Deny'), {kind: 'deny'})}
    </div>`;
  }

  private button(label: string, answer: ApprovalAnswer, primary = false): TemplateResult {
    const {sessionId, id: approvalId} = this.approval;
    const action: PageAction = {kind: 'approvalAnswer', sessionId, approvalId, answer};
    return html`<mcpx-action .feed=${this.context.feed} .action=${action} label=${label} ?primary=${primary}>
    </mcpx-action>`;
  }

  private renderQuestions(): TemplateResult {
    const {request} = this.approval;
    if (request.kind !== 'question') return html``;
    const answers = Object.fromEntries(
      request.questions.map(({question}) => [question, (this.chosen[question] ?? []).join(', ')]),
    );
    return html`${request.questions.map(({question, options, multiSelect}) => {
      return html`<fieldset>
        <legend>${question}</legend>
        ${options.map(
          ({label, description}) => html`<label>
            <input
              type=${multiSelect ? 'checkbox' : 'radio'}
              name=${`${this.approval.id} ${question}`}
              .checked=${this.chosen[question]?.includes(label) ?? false}
              @change=${(event: Event) => this.choose(question, label, multiSelect, event)}
            />
            <span>${label} ${description ? html`<span class="quiet">${description}</span>` : nothing}</span>
          </label>`,
        )}
        <vscode-textfield
          label=${t('Another answer')}
          placeholder=${t('Another answer')}
          @input=${(event: Event) => this.say(question, event)}
        ></vscode-textfield>
      </fieldset>`;
    })}
    <div class="row">${this.button(t('Answer'), {kind: 'answers', answers}, true)}</div>`;
  }

  private choose(question: string, label: string, many: boolean, event: Event): void {
    const on = (event.currentTarget as HTMLInputElement).checked;
    const before = many ? (this.chosen[question] ?? []) : [];
    const now = on
      ? [...before.filter(other => other !== label), label]
      : before.filter(other => other !== label);
    this.chosen = {...this.chosen, [question]: now};
  }

  private say(question: string, event: Event): void {
    const {value} = event.currentTarget as HTMLElement & {value: string};
    if (value !== '') this.chosen = {...this.chosen, [question]: [value]};
  }
}
define('mcpx-approval', ApprovalCard);

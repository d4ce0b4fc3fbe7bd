/** The list of what waits for a person, oldest first. Pure. */
import type {ApprovalRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import {gateQuestionLines} from '../../../coordinator/client/report/gateQuestion.ts';
import type {ApprovalRequest} from '../../../coordinator/protocol/approval.ts';
import {DisposableStore} from '../../../coordinator/runtime/disposable.ts';
import {Emitter, type Event} from '../../../coordinator/runtime/emitter.ts';
import type {Target} from '../../target.ts';
import {type FleetSource, whenWhole} from './fleetRows.ts';
import {approvalNodeId, nodeRef} from './nodeIds.ts';
import {inputSummary} from './toolCalls.ts';
import type {Dirt, NodeIcon, TreeModel, TreeNode} from './treeModel.ts';
import {WaitingApprovals} from './waitingApprovals.ts';
import {ago, dateAndTime, headline, joined, type Words} from './words.ts';

const LONGEST_INPUT = 2000;

export class ApprovalsModel implements TreeModel {
  private readonly lifetime = new DisposableStore();
  private readonly dirt = this.lifetime.add(new Emitter<Dirt>());
  private readonly approvals: WaitingApprovals;

  readonly onDirty: Event<Dirt> = this.dirt.event;

  constructor(
    private readonly fleet: FleetSource,
    private readonly words: Words,
  ) {
    this.approvals = new WaitingApprovals(() => fleet.mirror);
    this.lifetime.add(
      fleet.onChange(({part}) => {
        if (part !== 'approvals' && part !== 'reset') return;
        if (this.approvals.update().length > 0 || part === 'reset') this.dirt.emit('all');
      }),
    );
  }

  get count(): number {
    return this.approvals.all.length;
  }

  children(id: string | undefined): readonly string[] {
    return id === undefined
      ? this.approvals.all.map(({approval}) => approvalNodeId(approval.sessionId, approval.id))
      : [];
  }

  node(id: string): TreeNode | undefined {
    const ref = nodeRef(id);
    if (ref?.kind !== 'approval') return undefined;
    const row = this.approvals.get(ref.sessionId, ref.approvalId);
    const session = this.fleet.mirror?.session(ref.sessionId)?.session;
    return row && approvalNode(row, session?.name ?? ref.sessionId, this.words);
  }

  parent(): undefined {
    return undefined;
  }

  open(id: string | undefined): Promise<void> | undefined {
    return id === undefined ? whenWhole(this.fleet) : undefined;
  }

  close(): void {}

  watched(): void {}

  tick(): void {
    if (this.count > 0) this.dirt.emit(new Set(this.children(undefined)));
  }

  dispose(): void {
    this.lifetime.dispose();
  }
}

function approvalNode({approval}: ApprovalRow, session: string, words: Words): TreeNode {
  const {id, sessionId, taskId, attemptId, agentId, request, askedAt} = approval;
  const {t} = words;
  const target: Target = {kind: 'approval', sessionId, approvalId: id};
  return {
    id: approvalNodeId(sessionId, id),
    label: approvalLabel(approval),
    description: joined(taskId, session, ago(askedAt, words)),
    tooltip: [
      ...requestLines(request, words),
      t('Session: {0}', session),
      t('Task: {0}', taskId),
      ...(agentId === undefined ? [] : [t('Agent: {0}', agentId)]),
      t('Asked: {0}', dateAndTime(askedAt, words)),
    ],
    icon: approvalIcon(request),
    contextValue: `approval.${request.kind}`,
    target,
    expansion: 'leaf',
    ...(request.kind === 'question' || attemptId !== undefined
      ? {click: {name: request.kind === 'question' ? 'answer' : 'attach', target} as const}
      : {}),
  };
}

/** What is asked, in one line. */
export function approvalLabel({request, attemptId}: ApprovalRow['approval']): string {
  switch (request.kind) {
    case 'permission':
      return `${request.tool}: ${inputSummary(request.input, attemptId)}`;
    case 'question':
      return headline(request.questions[0]?.question ?? '');
    case 'decision':
      return headline(request.message);
  }
}

function requestLines(request: ApprovalRequest, {t}: Words): string[] {
  switch (request.kind) {
    case 'permission': {
      const input = JSON.stringify(request.input, undefined, 2).slice(0, LONGEST_INPUT);
      return [
        t('Wants to use {0}', request.tool),
        input,
        ...(request.reason === undefined ? [] : [request.reason]),
      ];
    }
    case 'question':
      return request.questions.map(
        ({question, options}) =>
          `${question}${options.length > 0 ? ` (${options.map(({label}) => label).join(' / ')})` : ''}`,
      );
    case 'decision':
      return [request.message, ...gateQuestionLines(request)];
  }
}

function approvalIcon({kind}: ApprovalRequest): NodeIcon {
  const color = 'charts.yellow';
  if (kind === 'permission') return {id: 'shield', color};
  return kind === 'question' ? {id: 'question', color} : {id: 'warning', color};
}

/** Tells a person what waits for them, what ended, and what goes wrong: each once, many together, each kind with its setting. */
import * as vscode from 'vscode';
import {type Disposable, noDisposable} from '../coordinator/runtime/disposable.ts';
import {commandId} from './contributions.ts';
import type {Services} from './services.ts';
import {setting} from './settings.ts';
import type {Target} from './target.ts';
import type {ActiveWork} from './views/model/activeWork.ts';
import {approvalLabel} from './views/model/approvalsModel.ts';
import {agentNodeId, approvalNodeId, sessionNodeId, taskNodeId} from './views/model/nodeIds.ts';
import {type Notice, type NoticeKind, type NoticeMemory, Notices} from './views/model/notices.ts';
import {headline, listed, type Words} from './views/model/words.ts';

/** What comes within this time is told together. */
const GATHER_MS = 700;
/** More of one kind are told in one message. */
const MOST_SINGLE = 2;
const MEMORY_KEY = 'mcpx.notices';

/** Shows a node of one of the trees. */
export type Reveal = (view: 'sessions' | 'agents' | 'approvals', nodeId?: string) => Promise<void>;

export interface NotificationOptions {
  readonly services: Services;
  readonly work: ActiveWork;
  readonly words: Words;
  readonly reveal: Reveal;
}

interface Told {
  readonly message: string;
  readonly isWarning?: boolean;
  readonly actions: readonly {readonly title: string; readonly run: () => Thenable<unknown>}[];
}

export class Notifications implements Disposable {
  readonly notices: Notices;
  private timer: Disposable = noDisposable;
  private waiting = false;
  private remembered: string;
  private readonly listening: readonly Disposable[];

  constructor(private readonly options: NotificationOptions) {
    const {services, work} = options;
    const memory = services.context.workspaceState.get<NoticeMemory>(MEMORY_KEY);
    this.notices = new Notices(memory);
    this.remembered = JSON.stringify(this.notices.memory);
    this.listening = [services.fleet.onChange(() => this.soon()), work.onChange(() => this.soon())];
  }

  dispose(): void {
    this.timer.dispose();
    for (const each of this.listening) each.dispose();
  }

  private soon(): void {
    if (this.waiting) return;
    this.waiting = true;
    this.timer = this.options.services.clock.schedule(GATHER_MS, () => {
      this.waiting = false;
      this.look();
    });
  }

  private look(): void {
    const {services, work} = this.options;
    const {mirror} = services.fleet;
    if (!mirror?.isWhole) return;
    const notices = this.notices.look({
      waiting: mirror.waiting,
      sessions: mirror.sessions,
      running: work.all(),
      overlapsOf: attempt => work.overlapsOf(attempt),
    });
    this.remember();
    for (const kind of KINDS) {
      const ofKind = notices.filter(notice => notice.kind === kind);
      if (ofKind.length === 0 || !setting(SETTINGS[kind])) continue;
      const all =
        ofKind.length > MOST_SINGLE ? [this.many(kind, ofKind.length)] : ofKind.map(each => this.one(each));
      for (const told of all) this.show(told);
    }
  }

  private remember(): void {
    const text = JSON.stringify(this.notices.memory);
    if (text === this.remembered) return;
    this.remembered = text;
    void this.options.services.context.workspaceState.update(MEMORY_KEY, this.notices.memory);
  }

  private show({message, isWarning, actions}: Told): void {
    const titles = actions.map(({title}) => title);
    const shown = isWarning
      ? vscode.window.showWarningMessage(message, ...titles)
      : vscode.window.showInformationMessage(message, ...titles);
    void shown.then(choice => actions.find(({title}) => title === choice)?.run());
  }

  private one(notice: Notice): Told {
    switch (notice.kind) {
      case 'approval':
        return this.approval(notice);
      case 'ended':
        return this.ended(notice);
      case 'lost':
        return this.lost(notice);
      case 'overlap':
        return this.overlap(notice);
    }
  }

  private approval({row: {approval}}: Extract<Notice, {kind: 'approval'}>): Told {
    const {sessionId, id, taskId, request} = approval;
    const target: Target = {kind: 'approval', sessionId, approvalId: id};
    const asked = approvalLabel(approval);
    const show = this.showing('approvals', approvalNodeId(sessionId, id));
    if (request.kind === 'question')
      return {
        message: vscode.l10n.t('{0} asks: {1}', taskId, asked),
        actions: [command(vscode.l10n.t('Answer'), 'answer', target), show],
      };
    return {
      message:
        request.kind === 'permission'
          ? vscode.l10n.t('{0} asks to use {1}', taskId, asked)
          : vscode.l10n.t('{0} needs a decision: {1}', taskId, asked),
      actions: [
        command(vscode.l10n.t('Approve'), 'approve', target),
        command(vscode.l10n.t('Deny'), 'deny', target),
        show,
      ],
    };
  }

  private ended({session}: Extract<Notice, {kind: 'ended'}>): Told {
    const target: Target = {kind: 'session', sessionId: session.id};
    const show = this.showing('sessions', sessionNodeId(session.id));
    if (session.state === 'succeeded')
      return {
        message: vscode.l10n.t('{0} is done: {1} tasks.', session.name, session.counts.succeeded),
        actions: [
          show,
          ...(session.result ? [command(vscode.l10n.t('Accept…'), 'acceptResult', target)] : []),
        ],
      };
    const why = session.failure === undefined ? '' : ` ${headline(session.failure)}`;
    return session.state === 'failed'
      ? {message: vscode.l10n.t('{0} failed.{1}', session.name, why), isWarning: true, actions: [show]}
      : {message: vscode.l10n.t('{0} was cancelled.{1}', session.name, why), actions: [show]};
  }

  private lost({attempt}: Extract<Notice, {kind: 'lost'}>): Told {
    return {
      message: vscode.l10n.t(
        'Agent {0} is silent while it works on {1}. Its work so far is kept; another agent takes over if it does not return.',
        attempt.agentId,
        attempt.taskId,
      ),
      isWarning: true,
      actions: [this.showing('agents', agentNodeId(attempt.agentId))],
    };
  }

  private overlap({attempt, shared}: Extract<Notice, {kind: 'overlap'}>): Told {
    const paths = listed(shared.paths, this.options.words);
    return {
      message: vscode.l10n.t('{0} and {1} both change {2}.', attempt.taskId, shared.taskId, paths),
      isWarning: true,
      actions: [this.showing('sessions', taskNodeId(attempt.sessionId, attempt.taskId))],
    };
  }

  private many(kind: NoticeKind, count: number): Told {
    switch (kind) {
      case 'approval':
        return {
          message: vscode.l10n.t('{0} approvals wait for you.', count),
          actions: [this.showing('approvals')],
        };
      case 'ended':
        return {
          message: vscode.l10n.t('{0} sessions have ended.', count),
          actions: [this.showing('sessions')],
        };
      case 'lost':
        return {
          message: vscode.l10n.t(
            '{0} attempts have lost their agents. Others take over if these do not return.',
            count,
          ),
          isWarning: true,
          actions: [this.showing('agents')],
        };
      case 'overlap':
        return {
          message: vscode.l10n.t('{0} pairs of running attempts change the same files.', count),
          isWarning: true,
          actions: [this.showing('sessions')],
        };
    }
  }

  private showing(view: Parameters<Reveal>[0], nodeId?: string): Told['actions'][number] {
    return {title: vscode.l10n.t('Show'), run: () => this.options.reveal(view, nodeId)};
  }
}

const KINDS: readonly NoticeKind[] = ['approval', 'lost', 'overlap', 'ended'];

const SETTINGS = {
  approval: 'notifications.approvals',
  ended: 'notifications.sessions',
  lost: 'notifications.agents',
  overlap: 'notifications.overlaps',
} as const;

function command(
  title: string,
  name: Parameters<typeof commandId>[0],
  target: Target,
): Told['actions'][number] {
  return {title, run: () => vscode.commands.executeCommand(commandId(name), target)};
}

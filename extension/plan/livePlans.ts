/** The newest sessions of the plans that are seen, and the states of their tasks as they change. */
import * as vscode from 'vscode';
import type {SessionMirror} from '../../coordinator/client/mirror/sessionMirror.ts';
import {rowKey} from '../../coordinator/client/viewWatch.ts';
import type {SessionRecord} from '../../coordinator/protocol/model/session.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import {type Disposable, DisposableStore, noDisposable} from '../../coordinator/runtime/disposable.ts';
import type {Services} from '../services.ts';
import {outlineOf, visiblePlans} from './planDocuments.ts';
import {newestSessionOf} from './planSession.ts';

/** What changes in between is drawn together. */
const REDRAW_MS = 250;

export interface LivePlan {
  readonly session: SessionRecord;
  /** Undefined while the rows arrive, and for a task that was written later. */
  task(taskId: string): TaskRecord | undefined;
}

interface Held extends Disposable {
  readonly mirror: SessionMirror;
}

export class LivePlans implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes = this.lifetime.add(new vscode.EventEmitter<void>());
  private readonly held = new Map<string, Held>();
  private redraw: Disposable = noDisposable;
  private isPending = false;

  /** Something of what the plans show is different now; at most four times a second. */
  readonly onChange: vscode.Event<void> = this.changes.event;

  constructor(private readonly services: Services) {
    const {fleet} = services;
    this.lifetime.add(
      fleet.onChange(change => {
        if (change.part === 'reset') this.release();
        if (change.part !== 'approvals') this.changed();
      }),
    );
    this.lifetime.add(vscode.window.onDidChangeVisibleTextEditors(() => this.changed()));
    this.changed();
  }

  of(document: vscode.TextDocument): LivePlan | undefined {
    const session = this.sessionOf(document);
    if (!session) return undefined;
    const rows = this.held.get(session.id)?.mirror.rows;
    return {
      session,
      task: taskId => {
        const row = rows?.get(rowKey({kind: 'task', id: taskId}));
        return row?.kind === 'task' ? row.task : undefined;
      },
    };
  }

  dispose(): void {
    this.redraw.dispose();
    this.release();
    this.lifetime.dispose();
  }

  private sessionOf(document: vscode.TextDocument): SessionRecord | undefined {
    const name = outlineOf(document).name?.text;
    const sessions = this.services.fleet.mirror?.sessions ?? [];
    if (name === undefined || sessions.length === 0) return undefined;
    return newestSessionOf(
      {name, file: document.fileName},
      sessions.map(({session}) => session),
    );
  }

  private changed(): void {
    if (this.isPending) return;
    this.isPending = true;
    this.redraw = this.services.clock.schedule(REDRAW_MS, () => {
      this.isPending = false;
      this.hold();
      this.changes.fire();
    });
  }

  /** Watches the sessions of the plans that are seen, and no others. */
  private hold(): void {
    const {mirror} = this.services.fleet;
    const wanted = new Set(visiblePlans().flatMap(plan => this.sessionOf(plan)?.id ?? []));
    for (const [id, held] of this.held) {
      if (wanted.has(id)) continue;
      this.held.delete(id);
      held.dispose();
    }
    for (const id of wanted) {
      if (this.held.has(id) || !mirror) continue;
      const open = mirror.openSession(id);
      const listening = open.mirror.onChange(() => this.changed());
      this.held.set(id, {
        mirror: open.mirror,
        dispose: () => {
          listening.dispose();
          open.dispose();
        },
      });
    }
  }

  private release(): void {
    for (const held of this.held.values()) held.dispose();
    this.held.clear();
  }
}

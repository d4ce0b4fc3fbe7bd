/**
 * What a client shows of a fleet: agents, sessions and what waits for a person, always; one session's tasks and attempts while somebody looks.
 * Rows resume by revision over any number of connections; listeners are told which rows changed. Drawing is the owner's.
 */
import type {Row} from '../../protocol/commands/watch.ts';
import {type Disposable, DisposableStore} from '../../runtime/disposable.ts';
import {Emitter, type Event} from '../../runtime/emitter.ts';
import type {McpxClient} from '../mcpxClient.ts';
import {rowKey, type ViewWatch} from '../viewWatch.ts';
import {type DirtyRows, dirtyRows} from './dirtyRows.ts';
import {SessionMirror} from './sessionMirror.ts';

export type RowOf<K extends Row['kind']> = Extract<Row, {kind: K}>;
export type AgentRow = RowOf<'agent'>;
export type SessionRow = RowOf<'session'>;
export type ApprovalRow = RowOf<'approval'>;

export interface FleetChange {
  readonly part: 'agents' | 'sessions' | 'approvals';
  readonly rows: DirtyRows;
}

export class FleetMirror implements Disposable {
  private readonly lifetime = new DisposableStore();
  private readonly changes: Emitter<FleetChange>;
  private readonly agentView: ViewWatch;
  private readonly sessionView: ViewWatch;
  private readonly approvalView: ViewWatch;
  private readonly open = new Map<string, {readonly mirror: SessionMirror; users: number}>();

  readonly onChange: Event<FleetChange>;

  constructor(private readonly client: McpxClient) {
    this.changes = this.lifetime.add(new Emitter<FleetChange>());
    this.onChange = this.changes.event;
    this.agentView = this.watch('agents');
    this.sessionView = this.watch('sessions');
    this.approvalView = this.watch('approvals');
  }

  /** False until the first snapshots are whole: what is missing until then is unknown, not absent. */
  get isWhole(): boolean {
    return [this.agentView, this.sessionView, this.approvalView].every(view => view.cursor !== undefined);
  }

  get agents(): readonly AgentRow[] {
    return rowsOf(this.agentView, 'agent');
  }

  /** Newest first. */
  get sessions(): readonly SessionRow[] {
    return rowsOf(this.sessionView, 'session').sort((a, b) => b.session.createdAt - a.session.createdAt);
  }

  /** What waits for a person, oldest first. */
  get waiting(): readonly ApprovalRow[] {
    return rowsOf(this.approvalView, 'approval')
      .filter(({approval}) => approval.state.kind === 'waiting')
      .sort((a, b) => a.approval.askedAt - b.approval.askedAt);
  }

  agent(agentId: string): AgentRow | undefined {
    return rowOf(this.agentView, 'agent', agentId);
  }

  session(sessionId: string): SessionRow | undefined {
    return rowOf(this.sessionView, 'session', sessionId);
  }

  approval(sessionId: string, approvalId: string): ApprovalRow | undefined {
    return this.waiting.find(({approval}) => approval.sessionId === sessionId && approval.id === approvalId);
  }

  /** Watches a session's tasks and attempts as long as somebody holds on to it: dispose of what this returns. */
  openSession(sessionId: string): {readonly mirror: SessionMirror} & Disposable {
    const found = this.open.get(sessionId) ?? {mirror: new SessionMirror(this.client, sessionId), users: 0};
    this.open.set(sessionId, found);
    found.users += 1;
    let held = true;
    return {
      mirror: found.mirror,
      dispose: () => {
        if (!held) return;
        held = false;
        found.users -= 1;
        if (found.users > 0) return;
        this.open.delete(sessionId);
        found.mirror.dispose();
      },
    };
  }

  dispose(): void {
    for (const {mirror} of this.open.values()) mirror.dispose();
    this.open.clear();
    this.lifetime.dispose();
  }

  private watch(part: FleetChange['part']): ViewWatch {
    return this.lifetime.add(
      this.client.watch({view: part}, update => {
        const rows = dirtyRows(update);
        if (rows !== undefined) this.changes.emit({part, rows});
      }),
    );
  }
}

export function rowsOf<K extends Row['kind']>(view: ViewWatch, kind: K): RowOf<K>[] {
  return [...view.rows.values()].filter((row): row is RowOf<K> => row.kind === kind);
}

function rowOf<K extends Row['kind']>(view: ViewWatch, kind: K, id: string): RowOf<K> | undefined {
  const row = view.rows.get(rowKey({kind, id}));
  return row?.kind === kind ? (row as RowOf<K>) : undefined;
}

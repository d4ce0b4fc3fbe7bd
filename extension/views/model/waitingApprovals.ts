/** What waits for a person, by session and task. Pure. */
import type {ApprovalRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {FleetRows} from './fleetRows.ts';

export class WaitingApprovals {
  /** Oldest first. */
  private rows: readonly ApprovalRow[] = [];
  private bySession: ReadonlyMap<string, readonly ApprovalRow[]> = new Map();

  constructor(private readonly fleet: () => FleetRows | undefined) {
    this.update();
  }

  get all(): readonly ApprovalRow[] {
    return this.rows;
  }

  ofSession(sessionId: string): readonly ApprovalRow[] {
    return this.bySession.get(sessionId) ?? [];
  }

  ofTask(sessionId: string, taskId: string): ApprovalRow | undefined {
    return this.ofSession(sessionId).find(({approval}) => approval.taskId === taskId);
  }

  ofAttempt(sessionId: string, attemptId: string): ApprovalRow | undefined {
    return this.ofSession(sessionId).find(({approval}) => approval.attemptId === attemptId);
  }

  get(sessionId: string, approvalId: string): ApprovalRow | undefined {
    return this.ofSession(sessionId).find(({approval}) => approval.id === approvalId);
  }

  /** Those that came and those that went. */
  update(): readonly ApprovalRow[] {
    const before = this.rows;
    this.rows = this.fleet()?.waiting ?? [];
    const bySession = new Map<string, ApprovalRow[]>();
    for (const row of this.rows) {
      const ofSession = bySession.get(row.approval.sessionId) ?? [];
      ofSession.push(row);
      bySession.set(row.approval.sessionId, ofSession);
    }
    this.bySession = bySession;
    const [old, now] = [new Set(before.map(keyOf)), new Set(this.rows.map(keyOf))];
    return [...before.filter(row => !now.has(keyOf(row))), ...this.rows.filter(row => !old.has(keyOf(row)))];
  }
}

function keyOf({approval}: ApprovalRow): string {
  return `${approval.sessionId}/${approval.id}`;
}

/** How states look: a colour and a shape of its own for each, so that colour never speaks alone. Pure. */
import type {AttemptOutcome} from '../../coordinator/protocol/model/attempt.ts';
import type {SessionState} from '../../coordinator/protocol/model/session.ts';
import type {TaskState} from '../../coordinator/protocol/model/task.ts';

export type LookName =
  | 'planned'
  | 'pending'
  | 'ready'
  | 'waiting'
  | 'running'
  | 'verifying'
  | 'succeeded'
  | 'failed'
  | 'cancelled'
  | 'lost'
  | 'undone';

export interface Look {
  /** Variable of the theme. */
  readonly color: string;
  /** Drawn in a square of 16, stroked 1.5 wide; filled where `filled`. */
  readonly path: string;
  readonly filled?: boolean;
  /** English; translate it. */
  readonly label: string;
}

const CIRCLE = 'M14 8a6 6 0 1 1-12 0a6 6 0 1 1 12 0';

export const LOOKS: Readonly<Record<LookName, Look>> = {
  planned: {color: '--mcpx-quiet', path: 'M3 3h10v10h-10z', label: 'planned'},
  pending: {color: '--mcpx-quiet', path: CIRCLE, label: 'pending'},
  ready: {color: '--mcpx-waiting', path: `${CIRCLE}M8 5v3.2l2.2 1.6`, label: 'ready'},
  waiting: {color: '--mcpx-waiting', path: 'M8 2l6.5 11.5h-13zM8 6.5v3M8 11.2v.6', label: 'waiting'},
  running: {color: '--mcpx-running', path: 'M4.5 2.5l8.5 5.5l-8.5 5.5z', filled: true, label: 'running'},
  verifying: {
    color: '--mcpx-verifying',
    path: 'M8 1.5l5.5 2v4.5c0 3-2.4 5.2-5.5 6.5c-3.1-1.3-5.5-3.5-5.5-6.5v-4.5zM5.5 8l1.8 1.8l3.2-3.6',
    label: 'checking',
  },
  succeeded: {color: '--mcpx-succeeded', path: 'M2.5 8.5l3.8 3.8l7.2-8.3', label: 'succeeded'},
  failed: {color: '--mcpx-failed', path: 'M3.5 3.5l9 9M12.5 3.5l-9 9', label: 'failed'},
  cancelled: {color: '--mcpx-quiet', path: `${CIRCLE}M4 12l8-8`, label: 'cancelled'},
  lost: {color: '--mcpx-lost', path: 'M2 8h3M11 8h3M6.5 4l-1.5 8M11 4l-1.5 8', label: 'lost'},
  undone: {color: '--mcpx-lost', path: 'M3 6h7a3.5 3.5 0 0 1 0 7h-4M6 3l-3 3l3 3', label: 'rolled back'},
};

export function lookOfTask(state: TaskState, waitsForPerson = false): LookName {
  if (waitsForPerson) return 'waiting';
  if (state === 'assigned') return 'running';
  return state === 'rolledBack' ? 'undone' : state;
}

export function lookOfSession(state: SessionState): LookName {
  if (state === 'paused') return 'waiting';
  if (state === 'rolledBack') return 'undone';
  return state === 'ending' ? 'running' : state;
}

/** Undefined: it is running. */
export function lookOfOutcome(outcome: AttemptOutcome | undefined): LookName {
  if (outcome === undefined) return 'running';
  return outcome === 'stale' ? 'lost' : outcome;
}

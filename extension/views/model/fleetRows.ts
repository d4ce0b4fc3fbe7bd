/** What the trees read of a fleet: as much of the mirrors as they use, so that rows in memory will do. Pure. */
import type {DirtyRows} from '../../../coordinator/client/mirror/dirtyRows.ts';
import type {
  AgentRow,
  ApprovalRow,
  FleetChange,
  SessionRow,
} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {Row} from '../../../coordinator/protocol/commands/watch.ts';
import type {Plan} from '../../../coordinator/protocol/plan/plan.ts';
import type {Disposable} from '../../../coordinator/runtime/disposable.ts';
import type {Event} from '../../../coordinator/runtime/emitter.ts';

export interface SessionRows {
  readonly isWhole: boolean;
  readonly rows: ReadonlyMap<string, Row>;
  readonly onChange: Event<DirtyRows>;
}

export interface FleetRows {
  readonly isWhole: boolean;
  readonly agents: readonly AgentRow[];
  readonly sessions: readonly SessionRow[];
  readonly waiting: readonly ApprovalRow[];
  agent(agentId: string): AgentRow | undefined;
  session(sessionId: string): SessionRow | undefined;
  openSession(sessionId: string): {readonly mirror: SessionRows} & Disposable;
}

export interface FleetSource {
  /** Undefined without a coordinator. */
  readonly mirror: FleetRows | undefined;
  readonly plans: {read(sha256: string): Promise<Plan>};
  readonly onChange: Event<FleetChange | {readonly part: 'reset'}>;
}

/** Resolves when the first snapshots are there, or when there is no coordinator to send them. */
export function whenWhole(fleet: FleetSource): Promise<void> | undefined {
  return whenHolds(fleet, ({mirror}) => mirror === undefined || mirror.isWhole);
}

/** Resolves when the first snapshots are there, however long no coordinator is. */
export function whenMirrored(fleet: FleetSource): Promise<void> | undefined {
  return whenHolds(fleet, ({mirror}) => mirror?.isWhole === true);
}

function whenHolds(fleet: FleetSource, holds: (fleet: FleetSource) => boolean): Promise<void> | undefined {
  if (holds(fleet)) return undefined;
  return new Promise(resolve => {
    const listening = fleet.onChange(() => {
      if (!holds(fleet)) return;
      listening.dispose();
      resolve();
    });
  });
}

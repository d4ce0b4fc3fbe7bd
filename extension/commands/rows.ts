/** The rows that commands choose from, once the mirror is whole: what is missing before that is unknown, not absent. */
import type {FleetMirror} from '../../coordinator/client/mirror/fleetMirror.ts';
import type {Row} from '../../coordinator/protocol/commands/watch.ts';
import type {AttemptRecord} from '../../coordinator/protocol/model/attempt.ts';
import type {TaskRecord} from '../../coordinator/protocol/model/task.ts';
import type {Clock} from '../../coordinator/runtime/clock.ts';
import type {Event} from '../../coordinator/runtime/emitter.ts';
import {CoordinatorError} from '../../coordinator/runtime/errors.ts';
import type {Services} from '../services.ts';

const SNAPSHOT_LIMIT_MS = 15_000;

/** Errors: `unavailable` without a coordinator, `timeout`. */
export async function wholeFleet({fleet, link, clock}: Services): Promise<FleetMirror> {
  link.requireClient();
  const {mirror} = fleet;
  if (!mirror) throw new CoordinatorError('unavailable', 'no coordinator is connected');
  await until(clock, mirror.onChange, () => mirror.isWhole);
  return mirror;
}

export interface SessionRows {
  readonly tasks: readonly TaskRecord[];
  readonly attempts: readonly AttemptRecord[];
  readonly rows: readonly Row[];
}

/** A session's rows as they are now. Errors: as `wholeFleet`. */
export async function sessionRows(services: Services, sessionId: string): Promise<SessionRows> {
  const opened = (await wholeFleet(services)).openSession(sessionId);
  try {
    const {mirror} = opened;
    await until(services.clock, mirror.onChange, () => mirror.isWhole);
    return sortedRows(mirror.rows.values());
  } finally {
    opened.dispose();
  }
}

export function sortedRows(all: Iterable<Row>): SessionRows {
  const rows = [...all];
  return {
    rows,
    tasks: rows.flatMap(row => (row.kind === 'task' ? [row.task] : [])),
    attempts: rows.flatMap(row => (row.kind === 'attempt' ? [row.attempt] : [])),
  };
}

/** Resolves once `holds` does, now or after an event. Rejects with `timeout`. */
export async function until(
  clock: Clock,
  event: Event<unknown>,
  holds: () => boolean,
  limitMs = SNAPSHOT_LIMIT_MS,
): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (act: () => void): void => {
      listening.dispose();
      limit.dispose();
      act();
    };
    const listening = event(() => {
      if (holds()) settle(resolve);
    });
    const limit = clock.schedule(limitMs, () =>
      settle(() =>
        reject(
          new CoordinatorError('timeout', 'the coordinator has not answered in time', {
            hint: 'Nothing was changed. Try again once it is connected.',
          }),
        ),
      ),
    );
  });
}

/** The coordinators that keep the artifacts of a cluster, as replication sees them. Who they are is found out by others. */
import type {Disposable} from '../../runtime/disposable.ts';

/** Another coordinator that can be asked. */
export interface Holder {
  readonly id: string;
  /** Such as `https://hub.example:7443`, without a path. */
  readonly baseUrl: string;
  /** PEM of the only authority that is trusted; the system's authorities where absent. */
  readonly ca?: string | undefined;
  /** Whether its disk counts towards a majority. */
  readonly counts: boolean;
}

export interface Holders {
  /** Whose disks count: all of them, reachable or not, and whether ours is one. */
  counted(): {readonly total: number; readonly own: boolean};
  /** Those that can be asked now. */
  others(): readonly Holder[];
  /** Bearer token for their doors. */
  credential(): string;
  /** Somebody came, went or moved. */
  onChanged(listener: () => void): Disposable;
}

/** One coordinator, which needs nobody. */
export const ALONE: Holders = {
  counted: () => ({total: 1, own: true}),
  others: () => [],
  credential: () => '',
  onChanged: () => ({dispose: () => undefined}),
};

/** Copies that a majority of `total` disks makes. */
export function majorityOf(total: number): number {
  return Math.floor(total / 2) + 1;
}

/** Which rows an update of a view touched. Pure. */
import {rowKey, type ViewUpdate} from '../viewWatch.ts';

/** Keys (`rowKey`) of the rows that came, changed or went; `all` after a snapshot. */
export type DirtyRows = ReadonlySet<string> | 'all';

/** Undefined when nothing changed. */
export function dirtyRows(update: ViewUpdate): DirtyRows | undefined {
  if (update.kind === 'failed') return undefined;
  if (update.kind === 'snapshot') return 'all';
  return new Set([...update.upserts, ...update.deletes].map(rowKey));
}

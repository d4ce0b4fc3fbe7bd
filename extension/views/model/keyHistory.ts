/** The versions of a key as a person chooses from them. Pure. */
import type {MemoryVersion} from '../../../coordinator/protocol/commands/memory.ts';
import {preview} from './conflictNodes.ts';
import {ago, joined, type Words} from './words.ts';

export interface HistoryRow {
  readonly revision: number;
  readonly label: string;
  readonly description: string | undefined;
  readonly detail: string;
  /** It is what the key has now. */
  readonly isPresent: boolean;
}

/** `versions` are newest first, from the newest one on. */
export function historyRows(versions: readonly MemoryVersion[], words: Words): HistoryRow[] {
  const {t} = words;
  return versions.map((version, at) => {
    const {revision} = version;
    if (version.kind === 'delete') {
      const {timestamp, principal, expired} = version.deletion;
      return {
        revision,
        label: expired ? t('expired') : t('deleted'),
        description: joined(ago(timestamp, words), expired ? undefined : principal),
        detail: t('Revision {0}', revision),
        isPresent: false,
      };
    }
    const {timestamp, principal, attemptId, value, resolved} = version.record;
    return {
      revision,
      label: `v${version.version}`,
      description: joined(
        ago(timestamp, words),
        attemptId ?? principal,
        resolved && t('out of a conflict ({0})', resolved.strategy),
      ),
      detail: preview(value),
      isPresent: at === 0,
    };
  });
}

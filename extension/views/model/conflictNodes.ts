/** How a conflict of shared memory looks in its tree. Pure. */
import {parseAttemptId} from '../../../coordinator/protocol/ids.ts';
import type {ConflictSide, MemoryConflictRecord} from '../../../coordinator/protocol/model/memory.ts';
import type {Event} from '../../../coordinator/runtime/emitter.ts';
import {conflictNodeId} from './nodeIds.ts';
import type {NodeIcon, TreeNode} from './treeModel.ts';
import {ago, joined, type Words} from './words.ts';

export interface ConflictSource {
  /** Oldest first. */
  readonly all: readonly MemoryConflictRecord[];
  readonly onChange: Event<void>;
}

export const CONFLICT_ICON: NodeIcon = {id: 'warning', color: 'list.warningForeground'};

const LONGEST_PREVIEW = 80;

export function conflictNode(conflict: MemoryConflictRecord, words: Words): TreeNode {
  const {id, sessionId, key, at, agentId, mine, theirs} = conflict;
  const {t} = words;
  const target = {kind: 'stateConflict', sessionId, conflictId: id} as const;
  const isRolledBack = conflict.reason === 'rolledBack';
  const [mineText, theirText] = [sideText(mine, words), sideText(theirs, words)];
  return {
    id: conflictNodeId(sessionId, id),
    label: key,
    description: joined(isRolledBack ? t('rolled back') : t('conflict'), `${theirText} ↔ ${mineText}`),
    spoken: t('conflict'),
    tooltip: [
      key,
      whyText(conflict, words),
      ...(isRolledBack
        ? [
            t('Mine (as before that task): {0}', mineText),
            t('Theirs (as it is now): {0}, by {1}', theirText, theirs.attemptId ?? theirs.principal),
          ]
        : [
            t('Mine: {0}, by {1}', mineText, mine.attemptId ?? agentId),
            t('Theirs: {0}, by {1}', theirText, theirs.attemptId ?? theirs.principal),
          ]),
      t('Since {0}', ago(at, words)),
    ],
    icon: CONFLICT_ICON,
    contextValue: 'stateConflict',
    target,
    expansion: 'leaf',
    click: {name: 'showStateConflict', target},
  };
}

function whyText({reason, agentId, base}: MemoryConflictRecord, {t}: Words): string {
  switch (reason) {
    case 'concurrent':
      return t('Written while {0} was cut off; others had changed the key meanwhile', agentId);
    case 'staleFence':
      return t('Written by an attempt that had been given up by then');
    case 'rolledBack': {
      const taskId = base?.attemptId === undefined ? undefined : parseAttemptId(base.attemptId)?.taskId;
      return taskId === undefined
        ? t('A task that wrote it was rolled back, and others had written on top of that')
        : t('{0} wrote it and was rolled back, and others had written on top of that', taskId);
    }
  }
}

/** What the two sides are called, the key's value first. */
export function sidesText({reason}: MemoryConflictRecord, {t}: Words): string {
  return reason === 'rolledBack' ? t('now ↔ before what was rolled back') : t('theirs ↔ mine');
}

export function sideText({value, omitted}: ConflictSide, {t}: Words): string {
  if (omitted) return t('(large)');
  return value === undefined ? t('(deleted)') : preview(value);
}

export function preview(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > LONGEST_PREVIEW ? `${text.slice(0, LONGEST_PREVIEW - 1)}…` : text;
}

/** How a conflict of shared memory looks in its tree. Pure. */
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
  const {id, sessionId, key, reason, at, agentId, mine, theirs} = conflict;
  const {t} = words;
  const target = {kind: 'stateConflict', sessionId, conflictId: id} as const;
  const why =
    reason === 'concurrent'
      ? t('Written while {0} was cut off; others had changed the key meanwhile', agentId)
      : t('Written by an attempt that had been given up by then');
  return {
    id: conflictNodeId(sessionId, id),
    label: key,
    description: joined(t('conflict'), `${sideText(theirs, words)} ↔ ${sideText(mine, words)}`),
    spoken: t('conflict'),
    tooltip: [
      key,
      why,
      t('Mine: {0}, by {1}', sideText(mine, words), mine.attemptId ?? agentId),
      t('Theirs: {0}, by {1}', sideText(theirs, words), theirs.attemptId ?? theirs.principal),
      t('Since {0}', ago(at, words)),
    ],
    icon: CONFLICT_ICON,
    contextValue: 'stateConflict',
    target,
    expansion: 'leaf',
    click: {name: 'showStateConflict', target},
  };
}

export function sideText({value, omitted}: ConflictSide, {t}: Words): string {
  if (omitted) return t('(large)');
  return value === undefined ? t('(deleted)') : preview(value);
}

export function preview(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > LONGEST_PREVIEW ? `${text.slice(0, LONGEST_PREVIEW - 1)}…` : text;
}

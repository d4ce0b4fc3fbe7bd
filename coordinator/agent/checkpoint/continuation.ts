/** What an attempt goes on from: the task's kept conversation, fetched, checked and made to fit this machine, or the reason why it cannot be used. */
import {readFile} from 'node:fs/promises';
import type {CheckpointOpened, LaterCall} from '../../protocol/commands/checkpoint.ts';
import {isProtocolError} from '../../protocol/errors.ts';
import {CHECKPOINT_FORMAT, type Checkpoint, type Continued} from '../../protocol/model/checkpoint.ts';
import {describeError} from '../../runtime/errors.ts';
import type {Attempt} from '../runner/attempt.ts';
import type {RunnerServices} from '../runner/runnerServices.ts';
import {isAway, untilTaken} from '../runner/untilTaken.ts';
import {isOlderVersion} from './isOlderVersion.ts';
import {Ledger, type LedgerLine} from './ledger.ts';
import {movedEntry} from './movedEntries.ts';
import {decodeSegment} from './segment.ts';
import {MAIN_FILE} from './transcriptEntry.ts';

export interface Continuation {
  readonly kind: 'continuation';
  readonly from: Continued;
  readonly checkpoint: Checkpoint;
  /** For the worktree of this attempt. */
  readonly lines: readonly LedgerLine[];
  /** Begun after the checkpoint, and not in `lines`. */
  readonly later: readonly LaterCall[];
  readonly more: number;
  /** Subagents that were at work, by the id under which Claude Code goes on with one. */
  readonly subagents: readonly string[];
}

export interface NoContinuation {
  readonly kind: 'anew';
  readonly from: Continued;
  readonly why: string;
}

const MAX_FAULTS = 5;
const SUBAGENT = /^subagents\/agent-(.+)$/;

/** Undefined when there is nothing to go on from. Rejects when the work was stopped or its fence has fallen. */
export async function openContinuation(
  attempt: Attempt,
  services: RunnerServices,
): Promise<Continuation | NoContinuation | undefined> {
  const {attemptId, fence, number} = attempt.assign;
  if (number === 1 || !keepsConversation(attempt, services)) return undefined;
  const {signal} = attempt.work;
  const opened = await askForIt(attempt, services, {attemptId, fence});
  if (!opened) return undefined;
  const {from, checkpoint} = opened;
  const unfit = misfit(checkpoint, services.claudeVersion);
  if (unfit !== undefined) return {kind: 'anew', from, why: unfit};
  try {
    return fitted(
      opened,
      await fetchLines(attempt, checkpoint, services),
      services.workspaces.worktreeOf(attemptId),
    );
  } catch (error) {
    signal.throwIfAborted();
    services.logger.warn('a kept conversation cannot be used', {attemptId, error});
    return {kind: 'anew', from, why: describeError(error)};
  }
}

/** Whether this attempt's conversation is kept, and an earlier one gone on with. */
export function keepsConversation({assign}: Attempt, {settings, claudeVersion}: RunnerServices): boolean {
  const {task, recheck, backup} = assign;
  // A backup is a fresh try, and the kept conversation is that of the attempt beside it.
  if (task.work.kind !== 'prompt' || task.checkpoint === 'off' || recheck || backup) return false;
  return settings.checkpointBytes > 0 && claudeVersion !== undefined;
}

async function askForIt(
  attempt: Attempt,
  {link, logger}: RunnerServices,
  params: Parameters<typeof link.deliver<'mcpx.checkpoint.open'>>[1],
): Promise<CheckpointOpened['kept']> {
  const {signal} = attempt.work;
  try {
    return (await link.deliver('mcpx.checkpoint.open', params, {signal, maxFaults: MAX_FAULTS})).kept;
  } catch (error) {
    if (!isProtocolError(error) || error.kind === 'staleFence') throw error;
    logger.warn('whether there is a conversation to go on with is not known', {attemptId: attempt.id, error});
    attempt.transcript.note('warn', `This attempt begins anew: ${error.message}`);
    return undefined;
  }
}

function misfit({format, claude}: Checkpoint, ownVersion = ''): string | undefined {
  if (format !== CHECKPOINT_FORMAT)
    return `it is kept in format ${format}, and this agent knows format ${CHECKPOINT_FORMAT}`;
  // Claude Code goes on with what its earlier versions wrote, as its users do after an update.
  if (isOlderVersion(ownVersion, claude))
    return `it was written by Claude Code ${claude}, and this agent has the older ${ownVersion}`;
  return undefined;
}

async function fetchLines(attempt: Attempt, {transcript}: Checkpoint, services: RunnerServices) {
  const {link, logger, artifacts} = services;
  const {signal} = attempt.work;
  const lines = [];
  for (const {sha256} of transcript) {
    const fetch = () => artifacts.use(sha256, file => readFile(file), signal);
    const patience = {link, logger, attemptId: attempt.id, signal, passing: isAway, maxFaults: MAX_FAULTS};
    lines.push(...(await decodeSegment(await untilTaken(fetch, patience))));
  }
  return lines;
}

function fitted(
  {from, checkpoint, later, more}: NonNullable<CheckpointOpened['kept']>,
  kept: Awaited<ReturnType<typeof fetchLines>>,
  worktree: string,
): Continuation {
  const lines = kept.flatMap(({file, entry, worktree: old}) => {
    const moved = movedEntry(entry, old, worktree);
    return moved ? [{file, entry: moved}] : [];
  });
  const ledger = new Ledger(lines);
  const unknown = later.filter(({id}) => !ledger.holds([id]));
  const named = new Set(unknown.map(({id}) => id));
  const open = ledger.openBeside
    .filter(({id}) => !named.has(id))
    .map(({id, name, input}) => ({id, name, input: JSON.stringify(input).slice(0, 2000), ended: false}));
  return {
    kind: 'continuation',
    from,
    checkpoint,
    lines,
    later: [...open, ...unknown],
    more,
    subagents: unfinishedSubagents(lines),
  };
}

function unfinishedSubagents(lines: readonly LedgerLine[]): string[] {
  const finished = new Map<string, boolean>();
  for (const {file, entry} of lines) {
    const name = file === MAIN_FILE ? undefined : SUBAGENT.exec(file)?.[1];
    if (name === undefined) continue;
    if (entry.type === 'agent_metadata') finished.set(name, entry['finished'] === true);
    else if (!finished.has(name)) finished.set(name, false);
  }
  return [...finished].flatMap(([name, isFinished]) => (isFinished ? [] : [name]));
}

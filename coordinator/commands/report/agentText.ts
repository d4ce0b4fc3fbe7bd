/** One agent in words: its state and since when, why it gets no work, and how its attempts went. */
import {durationQuantile, totalOf} from '../../pool/agentHistory.ts';
import {describeQuarantine} from '../../pool/quarantine.ts';
import {type AgentRecord, openSlots} from '../../protocol/model/agent.ts';
import type {ClassHistory} from '../../protocol/model/agentHistory.ts';
import {formatDuration} from '../../protocol/plan/duration.ts';
import {printable} from './terminalText.ts';

export interface AgentRow {
  readonly agent: AgentRecord;
  readonly online: boolean;
  readonly classes: readonly ClassHistory[];
}

const SHOWN_CLASSES = 5;

/** Lines with a line feed each. */
export function agentText({agent, online, classes}: AgentRow, wallNow: number): string {
  const {instance, stateSince} = agent;
  const {metadata} = instance;
  const state = online || instance.status === 'offline' ? instance.status : 'unreachable';
  const since = stateSince === undefined ? '' : ` for ${formatDuration(Math.max(0, wallNow - stateSince))}`;
  const claude = metadata.rehearsal ? 'rehearsal' : metadata.claude.kind;
  const where = [metadata.region, metadata.hostname].filter(Boolean).join(' ');
  const open = online ? openSlots(agent) : 0;
  const slots =
    open === metadata.maxConcurrentTasks
      ? `${open} slots`
      : `${open} of ${metadata.maxConcurrentTasks} slots`;
  const lines = [`${instance.id}  ${state}${since}  ${slots}  claude: ${claude}  ${where}`];
  for (const reason of reasonsOf(agent)) lines.push(`    ${printable(reason)}`);
  if (classes.length > 0) lines.push(`    ${performanceText(classes)}`);
  for (const each of [...classes].reverse().slice(0, SHOWN_CLASSES)) lines.push(`      ${classText(each)}`);
  return lines.map(line => `${line}\n`).join('');
}

function reasonsOf(agent: AgentRecord): string[] {
  const reasons: string[] = [];
  if (agent.draining) reasons.push('drains: it gets nothing new until it is released');
  if (agent.trouble !== undefined) reasons.push(agent.trouble);
  const quarantine = describeQuarantine(agent);
  if (quarantine !== undefined) reasons.push(quarantine);
  if (agent.pauseReason !== undefined) reasons.push(`paused: ${agent.pauseReason}`);
  return reasons;
}

function performanceText(classes: readonly ClassHistory[]): string {
  const {succeeded, failed, lost} = totalOf({classes: [...classes]});
  return `attempts: ${succeeded} succeeded, ${failed} failed, ${lost} lost`;
}

function classText(history: ClassHistory): string {
  const {name, succeeded, failed, lost, meanMs} = history;
  const tenth = durationQuantile(history, 0.9);
  const times =
    tenth === undefined
      ? ''
      : `, mean ${formatDuration(meanMs)}, nine of ten within ${formatDuration(tenth)}`;
  return `${printable(name)}: ${succeeded} of ${succeeded + failed + lost}${times}`;
}

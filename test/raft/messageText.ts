/** Raft's messages, readies and states as one line of text each. */
import {decodeConfiguration} from '../../coordinator/raft/configuration.ts';
import type {Message} from '../../coordinator/raft/messages.ts';
import type {
  Configuration,
  Entry,
  HardState,
  NodeStatus,
  ProposeOutcome,
  SnapshotMark,
} from '../../coordinator/raft/types.ts';

export function entryText({index, term, kind, data}: Entry): string {
  const place = `${index}/${term}`;
  if (kind === 'empty') return place;
  if (kind === 'command') return `${place} ${Buffer.from(data).toString()}`;
  return `${place} (${configurationText(decodeConfiguration(data))})`;
}

export function entriesText(entries: readonly Entry[]): string {
  return `[${entries.map(entryText).join(', ')}]`;
}

export function configurationText({voters, outgoing, learners, learnersNext}: Configuration): string {
  const parts = [voters.join(',')];
  if (outgoing.length > 0) parts.push(`outgoing ${outgoing.join(',')}`);
  if (learners.length > 0) parts.push(`learners ${learners.join(',')}`);
  if (learnersNext.length > 0) parts.push(`then learners ${learnersNext.join(',')}`);
  return parts.join(', ');
}

export function markText({index, term, configuration}: SnapshotMark): string {
  return `${index}/${term} (${configurationText(configuration)})`;
}

export function hardStateText({term, vote, commit}: HardState): string {
  return `term=${term} vote=${vote || '-'} commit=${commit}`;
}

export function messageText(message: Message): string {
  return `${message.from}->${message.to} ${message.kind} ${bodyText(message)}`.trimEnd();
}

function bodyText(message: Message): string {
  const term = 'term' in message ? `term=${message.term}` : '';
  switch (message.kind) {
    case 'preVote':
      return `${term} last=${message.lastIndex}/${message.lastTerm}`;
    case 'vote':
      return `${term} last=${message.lastIndex}/${message.lastTerm}${message.transfer ? ' transfer' : ''}`;
    case 'preVoteReply':
    case 'voteReply':
      return `${term} ${message.granted ? 'granted' : 'refused'}`;
    case 'append': {
      const entries = message.entries.length > 0 ? ` ${entriesText(message.entries)}` : '';
      return `${term} after=${message.previousIndex}/${message.previousTerm} commit=${message.commit}${entries}`;
    }
    case 'appendReply':
      return message.accepted
        ? `${term} match=${message.index}`
        : `${term} refused after=${message.previousIndex} hint=${message.index}/${message.hintTerm}`;
    case 'heartbeat':
      return `${term} commit=${message.commit} round=${message.round}`;
    case 'heartbeatReply':
      return `${term} round=${message.round}`;
    case 'installSnapshot':
      return `${term} ${markText(message.mark)}`;
    case 'timeoutNow':
      return term;
    case 'propose':
      return message.data.map(data => Buffer.from(data).toString()).join(', ');
    case 'readIndex':
      return message.context;
    case 'readIndexReply':
      return `${message.context} index=${message.index}`;
  }
}

export function statusText(status: NodeStatus): string {
  const {id, role, term, leader, lastIndex, stable, committed, applied, configuration} = status;
  return `${id} ${role} term=${term} leader=${leader ?? '-'} last=${lastIndex} stable=${stable} committed=${committed} applied=${applied} (${configurationText(configuration)})`;
}

export function progressText({progress}: NodeStatus): string[] {
  return [...progress].map(
    ([id, {match, next, mode, active, learner}]) =>
      `${id} ${mode} match=${match} next=${next}${active ? '' : ' silent'}${learner ? ' learner' : ''}`,
  );
}

export function proposeText(outcome: ProposeOutcome): string {
  if (outcome.kind === 'appended') return `appended ${outcome.index}/${outcome.term}`;
  return outcome.kind === 'forwarded' ? `forwarded to ${outcome.to}` : `dropped: ${outcome.reason}`;
}

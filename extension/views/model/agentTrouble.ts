/** Why an agent gets less work than it has slots for, how it came to its state, and how its attempts went, in words. Pure. */
import type {AgentRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {AgentTransition} from '../../../coordinator/protocol/model/agent.ts';
import type {ClassHistory} from '../../../coordinator/protocol/model/agentHistory.ts';
import type {PoolMember} from '../../../coordinator/protocol/model/pool.ts';
import type {NodeIcon} from './treeModel.ts';
import {ago, dateAndTime, duration, headline, timeOfDay, type Words} from './words.ts';

/** What the coordinator tells of an agent's past when it is asked. */
export interface AgentPast {
  /** The one that was seen last comes last. */
  readonly classes: readonly ClassHistory[];
  /** Of an agent that the cluster started by itself. */
  readonly member: PoolMember | undefined;
}

export type AskAgentPast = (agentId: string) => Promise<AgentPast>;

const SHOWN_CLASSES = 5;

export type Hold = 'quarantined' | 'probation';

/** Undefined: it is trusted. A quarantine that is over by now has become a probation, which its record says in a moment. */
export function holdOf({agent: {quarantine}}: AgentRow, {now}: Words): Hold | undefined {
  if (!quarantine) return undefined;
  return quarantine.kind === 'quarantined' && quarantine.until > now() ? 'quarantined' : 'probation';
}

/** In a few words; undefined where nothing holds it back. */
export function holdText(row: AgentRow, words: Words): string | undefined {
  const {t} = words;
  const {quarantine} = row.agent;
  const hold = holdOf(row, words);
  if (hold === undefined) return undefined;
  return hold === 'quarantined' && quarantine?.kind === 'quarantined'
    ? t('in quarantine until {0}', timeOfDay(quarantine.until, words))
    : t('on probation');
}

export function troubleIcon(row: AgentRow, words: Words): NodeIcon | undefined {
  const {agent} = row;
  if (agent.instance.status === 'unreachable') return {id: 'debug-disconnect', color: 'charts.orange'};
  const hold = holdOf(row, words);
  if (hold === 'quarantined') return {id: 'shield', color: 'list.errorForeground'};
  return hold === 'probation' ? {id: 'shield', color: 'charts.yellow'} : undefined;
}

/** Lines of the tooltip: why, since when, and what ends it. */
export function troubleLines(row: AgentRow, words: Words): string[] {
  const {t} = words;
  const {trouble, quarantine, draining} = row.agent;
  const lines: (string | undefined)[] = [
    sinceText(row, words),
    draining ? t('It drains: it gets nothing new until it is let take tasks again.') : undefined,
    trouble === undefined ? undefined : t('Trouble: {0}', trouble),
  ];
  if (quarantine) {
    const since = dateAndTime(quarantine.since, words);
    lines.push(
      quarantine.kind === 'quarantined'
        ? t(
            'In quarantine since {0} until {1}: it gets no work.',
            since,
            dateAndTime(quarantine.until, words),
          )
        : t(
            'On probation since {0}: one attempt at a time; {1} succeeded since.',
            since,
            quarantine.succeeded,
          ),
      t('Why: {0}', quarantine.reason),
      quarantine.strikes > 1 ? t('Times in a row: {0}', quarantine.strikes) : undefined,
    );
  }
  return lines.filter(line => line !== undefined);
}

function sinceText({agent: {stateSince, transition}}: AgentRow, words: Words): string | undefined {
  if (stateSince === undefined || transition === undefined) return undefined;
  return words.t('{0}, {1}', transitionText(transition, words), ago(stateSince, words));
}

function transitionText(transition: AgentTransition, {t}: Words): string {
  switch (transition) {
    case 'begin':
      return t('It took up work');
    case 'fill':
      return t('Its last free slot was taken');
    case 'free':
      return t('A slot came free');
    case 'finish':
      return t('Its last attempt ended');
    case 'hold':
      return t('It was held: no new work');
    case 'release':
      return t('It was let take work again');
    case 'silence':
      return t('It fell silent');
    case 'return':
      return t('It is heard again');
    case 'leave':
      return t('It said goodbye');
    case 'join':
      return t('It came back after a goodbye');
  }
}

/** Lines about how its attempts went, the class that was seen last first, and about starts that failed. */
export function pastLines({classes, member}: AgentPast, words: Words): string[] {
  const {t} = words;
  const sum = (count: (each: ClassHistory) => number): number =>
    classes.reduce((total, each) => total + count(each), 0);
  const total =
    classes.length === 0
      ? []
      : [
          t(
            'Attempts so far: {0} succeeded, {1} failed, {2} lost',
            sum(each => each.succeeded),
            sum(each => each.failed),
            sum(each => each.lost),
          ),
        ];
  const shown = [...classes].reverse().slice(0, SHOWN_CLASSES);
  return [...total, ...shown.map(each => classLine(each, words)), ...startLines(member, words)];
}

function classLine({name, succeeded, failed, lost, meanMs}: ClassHistory, {t}: Words): string {
  const all = succeeded + failed + lost;
  return succeeded === 0
    ? t('{0}: {1} of {2} succeeded', name, succeeded, all)
    : t('{0}: {1} of {2} succeeded, {3} on average', name, succeeded, all, duration(meanMs));
}

function startLines(member: PoolMember | undefined, {t}: Words): string[] {
  if (!member) return [];
  const started = t('Started by the cluster ({0})', member.provider);
  if (member.failures === 0) return [started];
  return [
    started,
    t('Starts that failed: {0}. Last: {1}', member.failures, headline(member.lastFailure ?? '')),
  ];
}

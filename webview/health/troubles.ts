/** What is wrong with a fleet, worst first, each with what it means. Pure. */

import type {FeedEvent} from '../../coordinator/client/feed/topics.ts';
import type {AgentRow} from '../../coordinator/client/mirror/fleetMirror.ts';
import {dateTime} from '../shell/format.ts';
import {t} from '../shell/l10n.ts';

export type ClusterInfo = Extract<FeedEvent, {kind: 'health'}>['info'];

export interface Trouble {
  readonly level: 'error' | 'warn';
  readonly what: string;
  readonly about: string;
}

/** Above this share of failed checks an agent is worth a look. */
const HIGH_ERROR_RATE = 0.2;

export function troublesOf(
  info: ClusterInfo | undefined,
  agents: readonly AgentRow[],
  wallNow: number,
): Trouble[] {
  const troubles: Trouble[] = [];
  if (info?.store.degraded !== undefined)
    troubles.push({level: 'error', what: t('The store is degraded'), about: info.store.degraded});
  if (info && info.lead === undefined)
    troubles.push({
      level: 'error',
      what: t('No coordinator leads'),
      about: t('Nothing new is placed until one does.'),
    });
  for (const {agent, online} of agents) troubles.push(...agentTroubles(agent, online, wallNow));
  return troubles.sort((a, b) => Number(b.level === 'error') - Number(a.level === 'error'));
}

function agentTroubles(agent: AgentRow['agent'], online: boolean, wallNow: number): Trouble[] {
  const {id, status, metadata, healthcheck} = agent.instance;
  const troubles: Trouble[] = [];
  if (status === 'unreachable')
    troubles.push({
      level: 'error',
      what: t('Agent {0} is silent', id),
      about: t(
        'Last heard of {0}. Its attempts are replaced when its time is up.',
        dateTime(healthcheck.lastSeen),
      ),
    });
  if (!online) return troubles;
  if (agent.pausedUntil !== undefined && agent.pausedUntil > wallNow)
    troubles.push({
      level: 'warn',
      what: t('Agent {0} is paused until {1}', id, dateTime(agent.pausedUntil)),
      about: agent.pauseReason ?? '',
    });
  const {quarantine} = agent;
  if (quarantine?.kind === 'quarantined' && quarantine.until > wallNow)
    troubles.push({
      level: 'error',
      what: t('Agent {0} is in quarantine until {1}', id, dateTime(quarantine.until)),
      about: quarantine.reason,
    });
  const {claude} = metadata;
  if (claude.kind === 'missing' || claude.kind === 'unauthenticated')
    troubles.push({level: 'warn', what: t('Claude Code cannot be used on {0}', id), about: claude.hint});
  if (claude.kind === 'broken')
    troubles.push({level: 'error', what: t('Claude Code is broken on {0}', id), about: claude.message});
  if (healthcheck.errorRate > HIGH_ERROR_RATE)
    troubles.push({
      level: 'warn',
      what: t('Agent {0} often does not answer', id),
      about: t('{0} % of its checks failed lately.', Math.round(healthcheck.errorRate * 100)),
    });
  return troubles;
}

/** How regions, agents and what these run look in the tree. Pure. */
import type {AgentRow} from '../../../coordinator/client/mirror/fleetMirror.ts';
import type {ClaudeReadiness, InstanceStatus} from '../../../coordinator/protocol/instance.ts';
import type {AttemptRecord} from '../../../coordinator/protocol/model/attempt.ts';
import {holdOf, holdText, troubleIcon, troubleLines} from './agentTrouble.ts';
import {agentNodeId, attemptNodeId, regionNodeId} from './nodeIds.ts';
import {STATE_ICONS} from './sessionNodes.ts';
import type {NodeIcon, TreeNode} from './treeModel.ts';
import {ago, cost, duration, headline, joined, listed, timeOfDay, type Words} from './words.ts';

export function regionNode(region: string, rows: readonly (AgentRow | undefined)[], words: Words): TreeNode {
  const {t} = words;
  const online = rows.filter(row => row?.online).length;
  const held = rows.filter(row => row?.online && holdOf(row, words) === 'quarantined').length;
  return {
    id: regionNodeId(region),
    label: region === '' ? t('no region') : region,
    description: joined(
      t('{0} of {1} online', online, rows.length),
      held > 0 ? t('{0} in quarantine', held) : undefined,
    ),
    icon: {id: 'globe'},
    expansion: 'expanded',
  };
}

export function agentNode(row: AgentRow, running: number, words: Words): TreeNode {
  const {agent, online} = row;
  const {instance} = agent;
  const {metadata} = instance;
  return {
    id: agentNodeId(instance.id),
    label: instance.id,
    description: joined(
      agentStatus(row, words),
      online ? `${running}/${metadata.maxConcurrentTasks}` : undefined,
      online ? trouble(metadata.claude, words) : undefined,
      cost(metadata.performanceMetrics.costUsd),
    ),
    tooltip: agentTooltip(row, running, words),
    moreTooltip: true,
    icon: agentIcon(row, words),
    contextValue: contextOf(row, words),
    target: {kind: 'agent', agentId: instance.id},
    expansion: running > 0 ? 'collapsed' : 'leaf',
  };
}

/** What can be done about it. */
function contextOf(row: AgentRow, words: Words): string {
  const {agent, online} = row;
  const work = online ? (agent.draining ? 'draining' : 'taking') : 'gone';
  return holdOf(row, words) === undefined ? `agent.${work}` : `agent.${work}.held`;
}

/** Until when it takes no new work; undefined when it does. */
function pausedUntil({agent}: AgentRow, {now}: Words): number | undefined {
  return agent.pausedUntil !== undefined && agent.pausedUntil > now() ? agent.pausedUntil : undefined;
}

function agentStatus(row: AgentRow, words: Words): string {
  const {agent, online} = row;
  const {t} = words;
  const {instance} = agent;
  if (!online)
    return t(
      '{0}, last seen {1}',
      statusLabel(instance.status === 'offline' ? 'offline' : 'unreachable', words),
      ago(instance.healthcheck.lastSeen, words),
    );
  const until = pausedUntil(row, words);
  const hold = holdText(row, words);
  if (instance.status === 'unreachable')
    return t('{0}: {1}', statusLabel('unreachable', words), headline(agent.trouble ?? t('not heard')));
  if (holdOf(row, words) === 'quarantined') return hold ?? '';
  const state =
    until !== undefined
      ? t('paused until {0}', timeOfDay(until, words))
      : agent.draining
        ? t('draining')
        : statusLabel(instance.status, words);
  return hold === undefined ? state : `${state}, ${hold}`;
}

function statusLabel(status: InstanceStatus, {t}: Words): string {
  switch (status) {
    case 'active':
      return t('active');
    case 'idle':
      return t('idle');
    case 'busy':
      return t('busy');
    case 'maintenance':
      return t('in maintenance');
    case 'offline':
      return t('offline');
    case 'unreachable':
      return t('unreachable');
  }
}

/** What keeps its Claude Code from working; undefined when nothing does. */
function trouble(claude: ClaudeReadiness, {t}: Words): string | undefined {
  switch (claude.kind) {
    case 'missing':
      return t('no Claude Code');
    case 'unauthenticated':
      return t('Claude Code is not signed in');
    case 'broken':
      return t('Claude Code does not work');
    default:
      return undefined;
  }
}

function agentTooltip(row: AgentRow, running: number, words: Words): string[] {
  const {t} = words;
  const {agent} = row;
  const {instance} = agent;
  const {metadata, healthcheck} = instance;
  const {attemptsSucceeded, attemptsFailed, meanDurationMs} = metadata.performanceMetrics;
  const until = pausedUntil(row, words);
  return [
    joined(instance.id, metadata.hostname, metadata.platform),
    agentStatus(row, words),
    until === undefined ? undefined : agent.pauseReason,
    ...troubleLines(row, words),
    t('Running: {0} of {1}', running, metadata.maxConcurrentTasks),
    claudeText(metadata.claude, words),
    metadata.account === undefined ? undefined : t('Account: {0}', metadata.account),
    capabilities(row, words),
    attemptsSucceeded + attemptsFailed > 0
      ? t(
          'Attempts: {0} succeeded, {1} failed, {2} on average',
          attemptsSucceeded,
          attemptsFailed,
          duration(meanDurationMs),
        )
      : undefined,
    t(
      'Health: last seen {0}, answers in {1} ms, {2} % errors',
      ago(healthcheck.lastSeen, words),
      Math.round(healthcheck.responseTime),
      Math.round(healthcheck.errorRate * 100),
    ),
    metadata.reservedFor === undefined
      ? undefined
      : t('Works for the session {0} only', metadata.reservedFor),
    metadata.rehearsal ? t('Takes rehearsals only') : undefined,
  ].filter(line => line !== undefined && line !== '') as string[];
}

function claudeText(claude: ClaudeReadiness, {t}: Words): string {
  switch (claude.kind) {
    case 'ready':
      return t('Claude Code {0}, {1}', claude.version, claude.authentication);
    case 'missing':
      return t('No Claude Code: {0}', claude.hint);
    case 'unauthenticated':
      return t('Claude Code is not signed in: {0}', claude.hint);
    case 'broken':
      return t('Claude Code does not work: {0}', headline(claude.message));
    case 'disabled':
      return t('Takes commands, no prompts');
  }
}

function capabilities({agent}: AgentRow, words: Words): string | undefined {
  const {capabilities: declared, metadata} = agent.instance;
  const names = [
    ...declared.map(({domain, proficiencyLevel, specialization}) =>
      specialization.length === 0
        ? `${domain} (${proficiencyLevel})`
        : `${domain} (${proficiencyLevel}: ${specialization.join(', ')})`,
    ),
    ...metadata.specializations,
    ...metadata.tags.map(tag => `#${tag}`),
  ];
  return names.length === 0 ? undefined : words.t('Capabilities: {0}', listed(names, words, 20));
}

function agentIcon(row: AgentRow, words: Words): NodeIcon {
  const {agent, online} = row;
  const {status, metadata} = agent.instance;
  if (!online)
    return status === 'offline'
      ? {id: 'circle-outline', color: 'disabledForeground'}
      : {id: 'debug-disconnect', color: 'testing.iconFailed'};
  const trouble = troubleIcon(row, words);
  if (trouble) return trouble;
  if (metadata.claude.kind !== 'ready' && metadata.claude.kind !== 'disabled' && !metadata.rehearsal)
    return {id: 'warning', color: 'list.warningForeground'};
  if (agent.draining || status === 'maintenance') return {id: 'debug-pause', color: 'charts.yellow'};
  return {id: 'hubot', color: status === 'idle' ? 'charts.green' : 'charts.blue'};
}

/** An attempt below its agent. */
export function runningNode(attempt: AttemptRecord, session: string | undefined, words: Words): TreeNode {
  const target = {kind: 'attempt', attemptId: attempt.id} as const;
  const began = attempt.startedAt ?? attempt.assignedAt;
  return {
    id: attemptNodeId(attempt.id),
    label: attempt.taskId,
    description: joined(session, duration(words.now() - began), cost(attempt.usage.costUsd)),
    tooltip: [attempt.id],
    icon: STATE_ICONS[
      attempt.state === 'running' || attempt.state === 'assigned' ? attempt.state : 'verifying'
    ],
    contextValue: 'attempt.running',
    target,
    expansion: 'leaf',
    click: {name: 'attach', target},
  };
}

/** What a task asks of an agent, as a list of checks that can say in words what nobody meets. Pure. */
import {type CapabilityRequirement, satisfies} from '../../protocol/capability.ts';
import type {AffinityRule} from '../../protocol/context.ts';
import type {AgentRecord} from '../../protocol/model/agent.ts';
import type {SessionModes} from '../../protocol/model/mode.ts';
import type {TaskRecord} from '../../protocol/model/task.ts';
import type {TaskSpecification} from '../../protocol/plan/plan.ts';

export interface Requirement {
  /** Continues "no connected agent ...". */
  readonly text: string;
  /** What is so of all that do not meet it. */
  readonly others?: string;
  /** It asks for one session's sake: agents may be reserved. */
  readonly ofSession?: true;
  meets(agent: AgentRecord): boolean;
  /** What an agent that does not meet it lacks, and how that is mended. */
  lack?(agent: AgentRecord): string | undefined;
}

/** What of the session matters to placement. */
export interface SessionTraits {
  readonly id: string;
  readonly rehearsal: boolean;
  readonly modes: SessionModes;
}

const TAKES_WORK: Requirement = {
  text: 'takes new work',
  others: 'all are draining',
  meets: agent => !agent.draining,
};

/** What a person wished of its place. */
export function wishRequirements(wished: TaskRecord['wished']): Requirement[] {
  if (!wished) return [];
  const {on, notOn} = wished;
  return [
    ...(on === undefined
      ? []
      : [{text: `is called "${on}", where a person wants the task`, meets: isCalled(on)}]),
    ...(notOn === undefined
      ? []
      : [
          {
            text: `is another than "${notOn}", from which a person took the task`,
            meets: (agent: AgentRecord) => agent.instance.id !== notOn,
          },
        ]),
  ];
}

/** For gates that run again where the worktree is: no work is done, so nothing else is asked. */
export function recheckRequirements(agentId: string): Requirement[] {
  return [
    TAKES_WORK,
    {
      text: `is called "${agentId}", which keeps the worktree that is to be checked`,
      meets: isCalled(agentId),
    },
  ];
}

function isCalled(agentId: string): Requirement['meets'] {
  return agent => agent.instance.id === agentId;
}

/** What of the requirements the agent does not meet, for a person; undefined when it meets all. */
export function describeMisfit(requirements: readonly Requirement[], agent: AgentRecord): string | undefined {
  const unmet = requirements.filter(requirement => !requirement.meets(agent));
  if (unmet.length === 0) return undefined;
  const texts = unmet.map(({text, lack}) => {
    const how = lack?.(agent);
    return how === undefined ? text : `${text} (${how})`;
  });
  return `it needs one that ${texts.join(', and that ')}`;
}

/** Everything that can be told from the agent's record alone. */
export function requirementsOf(spec: TaskSpecification, session: SessionTraits): Requirement[] {
  const {requires} = spec;
  const list: Requirement[] = [
    {
      ...(session.rehearsal
        ? {text: 'is started for rehearsals'}
        : {text: 'works on real sessions', others: 'all are started for rehearsals'}),
      meets: agent => agent.instance.metadata.rehearsal === session.rehearsal,
    },
    {
      text: 'is free for this session',
      others: 'all are reserved for others',
      ofSession: true,
      meets: ({instance: {metadata}}) =>
        metadata.reservedFor === undefined || metadata.reservedFor === session.id,
    },
    TAKES_WORK,
  ];
  if (spec.work.kind === 'prompt')
    list.push({
      text: 'has Claude Code ready',
      meets: agent => isClaudeReady(agent, session.rehearsal),
      lack: lackOfClaude,
    });
  const {mode} = requires;
  if (mode === 'internal' || mode === 'external')
    list.push({text: `is ${mode}`, meets: agent => agent.mode === mode});
  for (const only of session.modes.only)
    list.push({
      text: `is ${only}, which the mode of the session or of the coordinator demands (see mcpx mode)`,
      meets: agent => agent.mode === only,
    });
  if (requires.region !== undefined) list.push(inRegion([requires.region]));
  for (const tag of requires.tags ?? [])
    list.push({text: `has the tag "${tag}"`, meets: agent => agent.instance.metadata.tags.includes(tag)});
  for (const name of requires.specializations ?? [])
    list.push({text: `has the specialisation "${name}"`, meets: agent => isSpecialised(agent, name)});
  for (const requirement of requires.capabilities ?? []) list.push(hasCapability(requirement));
  for (const {type, amount, unit} of requires.resources ?? [])
    list.push({
      text: `has ${amount}${unit === undefined ? '' : ` ${unit}`} of ${type}`,
      meets: agent =>
        agent.instance.metadata.resources.some(
          own => own.type === type && own.amount >= amount && (unit === undefined || own.unit === unit),
        ),
    });
  for (const rule of spec.affinity) if (rule.strength === 'require') list.push(...fixedAffinity(rule));
  return list;
}

/** Rules about an agent or a region; those about other tasks depend on where these ran and are looked up at placement. */
export function fixedAffinity(rule: AffinityRule): Requirement[] {
  if (rule.kind === 'region') return [inRegion(rule.with)];
  if (rule.kind === 'agent')
    return [{text: `is called ${quoted(rule.with)}`, meets: agent => rule.with.includes(agent.instance.id)}];
  return [];
}

/** A sentence about what none of `agents` meets. Undefined when at least one meets everything. */
export function explainMisfit(
  requirements: readonly Requirement[],
  agents: readonly AgentRecord[],
): string | undefined {
  if (agents.length === 0) return 'no agent is connected';
  if (agents.some(agent => requirements.every(requirement => requirement.meets(agent)))) return undefined;
  const nobody = requirements.filter(requirement => !agents.some(agent => requirement.meets(agent)));
  if (nobody.length > 0)
    return `no connected agent ${nobody.map(sentenceOf).join(', nor one that ')}${lackOf(nobody, requirements, agents)}`;
  const partly = requirements.filter(requirement => !agents.every(agent => requirement.meets(agent)));
  return `no connected agent meets all of this at once: ${partly.map(requirement => requirement.text).join('; ')}`;
}

function sentenceOf({text, others}: Requirement): string {
  return others === undefined ? text : `${text}: ${others}`;
}

/** Of the first agent that lacks nothing else. */
function lackOf(
  nobody: readonly Requirement[],
  requirements: readonly Requirement[],
  agents: readonly AgentRecord[],
): string {
  const [only] = nobody;
  if (nobody.length !== 1 || !only?.lack) return '';
  const others = requirements.filter(requirement => requirement !== only);
  const agent = agents.find(candidate => others.every(requirement => requirement.meets(candidate)));
  if (!agent) return '';
  const lack = only.lack(agent);
  return lack === undefined ? '' : ` (${agent.instance.id}: ${lack})`;
}

function lackOfClaude({instance}: AgentRecord): string | undefined {
  const {claude} = instance.metadata;
  switch (claude.kind) {
    case 'ready':
      return undefined;
    case 'missing':
      return `there is none. ${claude.hint}`;
    case 'unauthenticated':
      return `it is not signed in. ${claude.hint}`;
    case 'broken':
      return `it does not work: ${claude.message}`;
    case 'disabled':
      return 'it takes no prompts';
  }
}

function isClaudeReady(agent: AgentRecord, rehearsal: boolean): boolean {
  const {kind} = agent.instance.metadata.claude;
  // A rehearsal talks to a script, which asks for no login.
  return kind === 'ready' || (rehearsal && kind === 'unauthenticated');
}

function inRegion(regions: readonly string[]): Requirement {
  return {
    text: `is in the region ${quoted(regions)}`,
    meets: agent => regions.includes(agent.instance.metadata.region),
  };
}

function isSpecialised(agent: AgentRecord, name: string): boolean {
  const {metadata, capabilities} = agent.instance;
  return (
    metadata.specializations.includes(name) ||
    capabilities.some(capability => capability.specialization.includes(name))
  );
}

function hasCapability(requirement: CapabilityRequirement): Requirement {
  const {domain, proficiencyLevel, specialization} = requirement;
  const level = proficiencyLevel === undefined ? '' : ` at level "${proficiencyLevel}" or better`;
  const special = specialization?.length ? ` with ${quoted(specialization)}` : '';
  return {
    text: `has the capability "${domain}"${level}${special}`,
    meets: agent => agent.instance.capabilities.some(capability => satisfies(capability, requirement)),
  };
}

function quoted(names: readonly string[]): string {
  return names.map(name => `"${name}"`).join(' or ');
}

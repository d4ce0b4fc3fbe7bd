/** What everybody may use of a server, read from its access rules and written into them. Rules for some callers only are left as they are. Pure. */
import {compilePattern} from '../../../coordinator/protocol/keyPattern.ts';
import type {AccessRule, ServerDefinition} from '../../../coordinator/protocol/model/server.ts';

/** `limited`: some callers may not, or only some may. */
export type Access = 'allowed' | 'denied' | 'limited';

export type Decision = 'allow' | 'deny';

export type AccessChange =
  | {readonly kind: 'changed'; readonly access: readonly AccessRule[]}
  | {readonly kind: 'unchanged'}
  /** Of a rule that is about more than this one. */
  | {readonly kind: 'byPattern'; readonly pattern: string};

/** `name` of a tool or prompt, or a resource's URI. */
export function accessTo(rules: readonly AccessRule[] | undefined, name: string): Access {
  const hiding = (rules ?? []).filter(rule => hides(rule, name));
  if (hiding.some(isForAll)) return 'denied';
  return hiding.length > 0 ? 'limited' : 'allowed';
}

/** The rules with which everybody, or nobody, may use it. */
export function decided(
  {access = []}: Pick<ServerDefinition, 'access'>,
  name: string,
  decision: Decision,
): AccessChange {
  if ((accessTo(access, name) === 'denied') === (decision === 'deny')) return {kind: 'unchanged'};
  if (decision === 'deny') return {kind: 'changed', access: denied(access, name)};
  const changed = access.map(rule => (isForAll(rule) ? allowedBy(rule, name) : rule));
  const wider = changed.flatMap(rule => (isForAll(rule) ? (rule.deny ?? []) : [])).find(matching(name));
  if (wider !== undefined) return {kind: 'byPattern', pattern: wider};
  return {kind: 'changed', access: changed.filter(says)};
}

function denied(access: readonly AccessRule[], name: string): readonly AccessRule[] {
  const at = access.findIndex(rule => isForAll(rule) && rule.allow === undefined);
  if (at < 0) return [...access, {deny: [name]}];
  return access.map((rule, index) => (index === at ? {...rule, deny: [...(rule.deny ?? []), name]} : rule));
}

function allowedBy({allow, deny, ...rule}: AccessRule, name: string): AccessRule {
  const kept = deny?.filter(pattern => pattern !== name);
  const widened = allow === undefined || allow.some(matching(name)) ? allow : [...allow, name];
  return {
    ...rule,
    ...(widened === undefined ? {} : {allow: widened}),
    ...(kept === undefined || kept.length === 0 ? {} : {deny: kept}),
  };
}

function isForAll({roles, sessions, tasks}: AccessRule): boolean {
  return roles === undefined && sessions === undefined && tasks === undefined;
}

function says({allow, deny}: AccessRule): boolean {
  return allow !== undefined || (deny !== undefined && deny.length > 0);
}

function hides({allow, deny = []}: AccessRule, name: string): boolean {
  return (allow !== undefined && !allow.some(matching(name))) || deny.some(matching(name));
}

function matching(name: string): (pattern: string) => boolean {
  return pattern => compilePattern(pattern).matches(name);
}
